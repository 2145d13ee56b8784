/* The entry signature, the one text that cffi parses (runtime/build.py, setup.py). */
typedef struct gradc_frame gradc_frame;
int gradc_prepare(gradc_frame *frame);
int gradc_entry(gradc_frame *frame);
