"""Views: how the elements of a value are found through axes moved, repeated, cut, reshaped and gathered.

A View of `root` has one entry per axis of the viewing value: (root axis, factor), meaning that the position on that
root axis is factor * loop position + offset, or None where the axis is broadcast.  After a Reshape that is no
mere regrouping of size-1 axes the root is seen as one flat axis (`flat`), its elements addressed directly.
The terms of an offset are sizes, or (position, factor): of a position that the kernel computes, a scalar Var, or that
it looks up for each element, a `Lookup`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.ir.program import Var
from gradc.ir.sizes import Sizes
from gradc.loops.nodes import SizeExpr
from gradc.record import record, replace

RootAxis = tuple[int, SizeExpr] | None


@record
class Lookup:
    """An element of an array of positions.

    view      has the axes of the value that is viewed with it
    checked   what exists once these are known to be in bounds; None if they always are
    size      what is added to a negative one; None if there are none
    """

    view: View
    checked: Var | None
    size: SizeExpr | None = None


@record
class View:
    """See the module's docstring.  `dims`: sizes of the viewing value; `offsets`: per root axis a tuple of terms."""

    root: Var
    dims: tuple[SizeExpr, ...]
    axes: tuple[RootAxis, ...]
    offsets: tuple[tuple[Any, ...], ...]
    flat: bool = False

    @staticmethod
    def whole(root: Var, dims: tuple[SizeExpr, ...]) -> View:
        """The value itself."""
        return View(root, dims, tuple([(k, 1) for k in range(len(dims))]), ((),) * len(dims))

    def is_whole(self, root_dims: tuple[SizeExpr, ...]) -> bool:
        """Does this view all of the root, element for element, in order (size-1 axes apart)?"""
        kept = [(a, d) for a, d in zip(self.axes, self.dims) if d != 1]
        want = [((k, 1), d) for k, d in enumerate(root_dims) if d != 1]
        return not self.flat and kept == want and not any(self.offsets)

    def is_element(self) -> bool:
        """Is this one element of the root?"""
        return not self.flat and not any(self.axes) and not lookups(self)

    def place(self, k: int) -> int:
        """The root axis that axis k walks, or whose positions are looked up along it; -1 if there is none."""
        axis = self.axes[k]
        if axis is not None:
            return axis[0]
        return next((r for r, terms in enumerate(self.offsets) for t in terms
                     if _is_lookup(t) and t[0].view.place(k) >= 0), -1)

    def _seen(self, change: Callable[[View], View]) -> tuple[tuple[Any, ...], ...]:
        """The offsets when the axes of this view are changed so, those of its lookups with them."""
        if not lookups(self):
            return self.offsets
        return tuple([tuple([(replace(t[0], view=change(t[0].view)), t[1]) if _is_lookup(t) else t for t in terms])
                      for terms in self.offsets])

    def walked(self, axis_of: Sequence[int | None]) -> View:
        """With an axis for each loop: the one of these that it walks, or none."""
        return View(self.root, tuple([1 if a is None else self.dims[a] for a in axis_of]),
                    tuple([None if a is None else self.axes[a] for a in axis_of]),
                    self._seen(lambda v: v.walked(axis_of)) if any(self.offsets) else self.offsets, self.flat)

    def transposed(self, perm: tuple[int, ...]) -> View:
        return self.walked([None if p < 0 else p for p in perm])

    def broadcast(self, dims: tuple[SizeExpr, ...], fixed: tuple[int | None, ...]) -> View:
        """Seen at larger sizes; axes that are statically 1 (or missing) repeat."""
        pad = len(dims) - len(self.dims)
        return replace(self, dims=dims, axes=(None,) * pad + tuple(
            None if f == 1 else a for a, f in zip(self.axes, fixed)),
            offsets=self._seen(lambda v: v.broadcast(dims, fixed)))

    def repeated(self, dims: tuple[SizeExpr, ...]) -> View:
        """With more axes behind its own, along which it repeats; `dims`: of all."""
        more = len(dims) - len(self.dims)
        return replace(self, dims=dims, axes=(*self.axes, *[None] * more),
                       offsets=self._seen(lambda v: v.repeated(dims)))

    def sliced(self, sizes: Sizes, ranges: list[tuple[Any, ...]]) -> View:
        """`ranges`: per axis (position,) or (first, count, step); axes past the end are whole."""
        dims: list[SizeExpr] = []
        axes: list[RootAxis] = []
        offsets = list(self._seen(lambda v: v.sliced(sizes, ranges)))
        for axis, bounds in zip(self.axes, ranges):
            first = bounds[0]
            if axis is not None:
                root_axis, factor = axis
                if first != 0:
                    if isinstance(first, Var):
                        offsets[root_axis] = (*offsets[root_axis], (first, factor))
                    else:
                        offsets[root_axis] = (*offsets[root_axis], sizes.mul(factor, first, "offset"))
            if len(bounds) == 3:
                dims.append(bounds[1])
                axes.append(None if axis is None else (axis[0], sizes.mul(axis[1], bounds[2], "stride")))
        n = len(ranges)
        return View(self.root, (*dims, *self.dims[n:]), (*axes, *self.axes[n:]), tuple(offsets), self.flat)

    def gathered(self, sizes: Sizes, axes: Sequence[int], positions: Sequence[object],
                 dims: tuple[SizeExpr, ...]) -> View:
        """At `positions` along `axes`: sizes, Vars, or Lookups, whose axes come first among those of the result."""
        rest = [k for k in range(len(self.dims)) if k not in axes]
        kept = [None] * (len(dims) - len(rest)) + rest
        offsets = list(self._seen(lambda v: v.gathered(sizes, axes, positions, dims)))
        for k, position in zip(axes, positions):
            axis = self.axes[k]
            if axis is not None:
                term = sizes.mul(axis[1], position, "offset") if isinstance(position, SizeExpr) else (position, axis[1])
                offsets[axis[0]] = (*offsets[axis[0]], term)
        return View(self.root, dims, tuple([None if k is None else self.axes[k] for k in kept]), tuple(offsets),
                    self.flat)

    def reshaped(self, sizes: Sizes, dims: tuple[SizeExpr, ...], root_dims: tuple[SizeExpr, ...]) -> View | None:
        """The same elements in new sizes, or None if that takes a copy."""
        old = [(a, d) for a, d in zip(self.axes, self.dims) if d != 1]
        if [d for _, d in old] == [d for d in dims if d != 1]:
            rest = iter([k for k, d in enumerate(self.dims) if d != 1])
            return replace(self.walked([None if d == 1 else next(rest) for d in dims]), dims=dims)
        if lookups(self):
            return None
        if self.flat_contiguous(sizes):
            return View(self.root, dims, tuple((0, s) for s in sizes.strides(dims)), self.offsets, True)
        if self.is_whole(root_dims):
            return View(self.root, dims, tuple((0, s) for s in sizes.strides(dims)), ((),), True)
        return self._piece(sizes, dims, root_dims)

    def _piece(self, sizes: Sizes, dims: tuple[SizeExpr, ...], root_dims: tuple[SizeExpr, ...]) -> View | None:
        """As `reshaped`, if this is a range of the first axis' positions, the other axes being whole.

        One after the other they lie in one piece.  Others, such as all in reverse, may only be put in groups.
        """
        rest = root_dims[1:]
        if self.flat or self.dims[1:] != rest or any(self.offsets[1:]) or not self.axes or self.axes[0] is None \
                or self.axes != (self.axes[0], *[(k, 1) for k in range(1, len(root_dims))]):
            return None
        factor, step = self.axes[0][1], sizes.product(rest)
        strides = sizes.strides(dims)
        if factor != 1:
            n = len(dims) - len(rest)
            if dims[n:] != rest:
                return None
            strides = (*[sizes.mul(factor, s, "stride") for s in strides[:n]], *strides[n:])
        start = tuple([(t[0], sizes.mul(t[1], step)) if isinstance(t, tuple) else
                       sizes.mul(t, step, "offset") for t in self.offsets[0]])
        return View(self.root, dims, tuple((0, s) for s in strides), (start,), True)

    def flat_contiguous(self, sizes: Sizes) -> bool:
        """Is this a view after a Reshape, or of a vector, whose elements lie one after the other?"""
        if not self.flat and len(self.offsets) != 1:
            return False
        strides = sizes.strides(self.dims)
        return all((a is not None and a[1] == s) or d == 1 for a, s, d in zip(self.axes, strides, self.dims))

    def composed(self, outer: View, sizes: Sizes) -> View:
        """This view (of v's operand) seen through `outer` (a view of v): a view of this view's root."""
        axes: list[RootAxis] = []
        offsets = list(self._seen(lambda v: v.composed(outer, sizes)))
        for inner, terms in zip(self.axes, outer.offsets):
            if inner is None:
                continue
            root_axis, factor = inner
            for term in terms:
                if isinstance(term, tuple):
                    term = (term[0], sizes.mul(term[1], factor, "stride"))
                else:
                    term = sizes.mul(term, factor, "offset")
                offsets[root_axis] = (*offsets[root_axis], term)
        for axis in outer.axes:
            inner = None if axis is None else self.axes[axis[0]]
            axes.append(inner if axis is None or inner is None or axis[1] == 1 else
                        (inner[0], sizes.mul(inner[1], axis[1], "stride")))
        return View(self.root, outer.dims, tuple(axes), tuple(offsets), self.flat)


def _is_lookup(term: object) -> bool:
    return isinstance(term, tuple) and isinstance(term[0], Lookup)


def lookups(view: View) -> list[Lookup]:
    """The lookups that the offsets of a view have; not those of their own views."""
    if not any(view.offsets):
        return []
    return [t[0] for terms in view.offsets for t in terms if _is_lookup(t)]


def all_lookups(view: View) -> list[Lookup]:
    """The lookups of a view, and those of their own views."""
    return [found for each in lookups(view) for found in (each, *all_lookups(each.view))]


def positions(view: View) -> list[Var]:
    """The scalar positions computed by the kernel that a view depends on."""
    found = [t[0] for terms in view.offsets for t in terms if isinstance(t, tuple) and isinstance(t[0], Var)]
    return found + [v for each in lookups(view) for v in positions(each.view)]


def needed(view: View) -> list[tuple[Var, View | None]]:
    """What must exist beside the root: positions, with the view they are used through (None: not by element)."""
    if not any(view.offsets):
        return []
    found: list[tuple[Var, View | None]] = [(v, None) for v in positions(view)]
    for each in all_lookups(view):
        if each.checked is not None:
            found.append((each.checked, None))
        found.append((each.view.root, each.view))
    return found
