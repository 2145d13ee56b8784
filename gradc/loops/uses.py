"""Where the values of a body are computed and used: what `loops.store` and `loops.memory` look up."""

from __future__ import annotations

from gradc.ir.program import Var
from gradc.loops.index import View, needed
from gradc.loops.schedule import Block, Body, BodyItem, CallItem, CheckItem, Leaf, Nest, Node, SizeItem, leaves

User = Node | CheckItem | BodyItem | Body


class Uses:
    """node: what computes a value.  item: the number of the item that a user is or is in.  path: the loops around it.

    users: for each value who uses it and through which view: a Node, CheckItem, item or (at its end) the Body.
    inner: the same of the bodies in an item, by its number.
    """

    def __init__(self, body: Body) -> None:
        self.node: dict[Var, Node] = {}
        self.item: dict[User, int] = {}
        self.path: dict[User, tuple[Nest, ...]] = {}
        self.users: dict[Var, list[tuple[User, View]]] = {}
        self.inner: dict[int, list[Uses]] = {}
        for k, item in enumerate(body.items):
            if isinstance(item, (Nest, Block)):
                self._nest(item, (), k)
                continue
            self.item[item] = k
            for leaf in leaves(*(item.args if isinstance(item, CallItem) else item.operands)):
                self._use(item, leaf)
            if isinstance(item, (CallItem, SizeItem)):
                continue
            self.inner[k] = [Uses(inner) for inner in item.bodies]
            for inner, uses in zip(item.bodies, self.inner[k]):
                for var, users in uses.users.items():
                    if var not in inner.defined:
                        self.users.setdefault(var, []).extend([(item, view) for _, view in users])
        self.item[body] = len(body.items)
        for leaf in leaves(*body.ends):
            self._use(body, leaf)

    def _nest(self, nest: Nest | Block, path: tuple[Nest, ...], number: int) -> None:
        if type(nest) is Nest:
            path = (*path, nest)
        for child in nest.children:
            if isinstance(child, Nest):
                self._nest(child, path, number)
                continue
            self.item[child] = number
            self.path[child] = path
            for leaf in child.leaves():
                self._use(child, leaf)
            if type(child) is Node:
                if child.kind != "write":
                    self.node[child.out] = child
                elif child.target is not None:
                    self._positions(child, child.target)

    def _use(self, user: User, leaf: Leaf) -> None:
        found = self.users.get(leaf.root)
        if found is None:
            self.users[leaf.root] = [(user, leaf.view)]
        else:
            found.append((user, leaf.view))
        self._positions(user, leaf.view)

    def _positions(self, user: User, view: View) -> None:
        for v, seen in needed(view):
            self.users.setdefault(v, []).append((user, seen or View.whole(v, ())))
