/* Called like the others, does nothing: its time is what Python and ctypes take, and is subtracted. */
#include <stdint.h>

void hand_nothing(void) {}
