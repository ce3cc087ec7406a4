"""Bounds of YAML while it is composed: nothing is built that a file of a few bytes can make large. Pure."""

import yaml
from yaml.composer import Composer, ComposerError

# libyaml, where it is there, reads large files in a fifth of the time.
try:
    from yaml import CSafeLoader as Parser
except ImportError:
    from yaml import SafeLoader as Parser  # type: ignore[assignment]  # the same, slower

__all__ = ["Bounded", "Parser", "TooMuch"]

# Nobody's manifest comes near it, and what reads on is recursive.
MAX_DEPTH = 200
MAX_REPEATED = 200_000
"""Characters and nodes that the aliases of one document stand for, each counted as often as it is repeated."""


class TooMuch(ComposerError):
    """A bound; its text has nothing of the document."""


class Bounded(Composer):
    """Makes nodes of what a parser reads: no deeper than can be read on, and aliases that repeat little.

    https://yaml.org/spec/1.2.2/#71-alias-nodes
    """

    max_nodes: int | None = None
    """How many nodes a document may have; None for any."""
    _depth = 0
    _repeated = 0
    _composed = 0

    def compose_document(self) -> yaml.Node | None:
        """One document, counted from its beginning."""
        self._weights: dict[int, int] = {}
        self._repeated = self._composed = 0
        return super().compose_document()

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        """A node. Raises TooMuch beyond the bounds."""
        self._depth += 1
        event = self.peek_event()  # type: ignore[attr-defined]  # the parser's, beside it
        if self._depth > MAX_DEPTH:
            raise TooMuch(None, None, f"it is nested more than {MAX_DEPTH} levels deep", event.start_mark)
        node = super().compose_node(parent, index)  # type: ignore[arg-type]  # index may be a node, as in Composer
        self._depth -= 1
        if node is not None and node.end_mark is None:
            # An alias of what is not at its end yet.
            raise TooMuch(None, None, "an anchor is used within itself", node.start_mark)
        if node is not None:
            self._count(node, is_alias=isinstance(event, yaml.AliasEvent), mark=event.start_mark)
        return node

    def _count(self, node: yaml.Node, *, is_alias: bool, mark: yaml.Mark) -> None:
        if is_alias:
            self._repeated += self._weights[id(node)]
            if self._repeated > MAX_REPEATED:
                raise TooMuch(None, None, "its aliases repeat too much; write out what they stand for", mark)
            return
        self._weights[id(node)] = 1 + self._inner(node)
        self._composed += 1
        if self.max_nodes is not None and self._composed > self.max_nodes:
            raise TooMuch(None, None, f"it has more than {self.max_nodes:,} parts", mark)

    def _inner(self, node: yaml.Node) -> int:
        if isinstance(node, yaml.MappingNode):
            return sum(self._weights[id(key)] + self._weights[id(value)] for key, value in node.value)
        if isinstance(node, yaml.SequenceNode):
            return sum(self._weights[id(item)] for item in node.value)
        return len(node.value)
