"""Limits for composing YAML, against documents that expand (aliases) or nest excessively. Pure."""

import yaml
from yaml.composer import Composer, ComposerError

# libyaml, if available, parses large files five times as fast.
try:
    from yaml import CSafeLoader as Parser
except ImportError:
    from yaml import SafeLoader as Parser  # type: ignore[assignment]  # the same, slower

__all__ = ["Bounded", "Parser", "TooMuch"]

# Far above any real manifest; later processing is recursive.
MAX_DEPTH = 200
MAX_REPEATED = 200_000
"""Maximum number of characters and nodes that the aliases of one document expand to."""


class TooMuch(ComposerError):
    """A limit was exceeded. The message contains nothing of the document."""


class Bounded(Composer):
    """A composer with limits for nesting, aliases and nodes.

    https://yaml.org/spec/1.2.2/#71-alias-nodes
    """

    max_nodes: int | None = None
    """Maximum number of nodes in a document; None for no limit."""
    _depth = 0
    _repeated = 0
    _composed = 0

    def compose_document(self) -> yaml.Node | None:
        """Compose one document, with its own counters."""
        self._weights: dict[int, int] = {}
        self._repeated = self._composed = 0
        return super().compose_document()

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        """Compose a node. Raises TooMuch if a limit is exceeded."""
        self._depth += 1
        event = self.peek_event()  # type: ignore[attr-defined]  # the parser's, beside it
        if self._depth > MAX_DEPTH:
            raise TooMuch(None, None, f"it is nested more than {MAX_DEPTH} levels deep", event.start_mark)
        node = super().compose_node(parent, index)  # type: ignore[arg-type]  # index may be a node, as in Composer
        self._depth -= 1
        if node is not None and node.end_mark is None:
            # An alias within its own anchor.
            raise TooMuch(None, None, "an anchor is used within itself", node.start_mark)
        if node is not None:
            self._count(node, is_alias=isinstance(event, yaml.AliasEvent), mark=event.start_mark)
        return node

    def _count(self, node: yaml.Node, *, is_alias: bool, mark: yaml.Mark) -> None:
        if is_alias:
            self._repeated += self._weights[id(node)]
            if self._repeated > MAX_REPEATED:
                raise TooMuch(None, None, "its aliases expand to too much; write them out", mark)
            return
        self._weights[id(node)] = 1 + self._inner(node)
        self._composed += 1
        if self.max_nodes is not None and self._composed > self.max_nodes:
            raise TooMuch(None, None, f"it has more than {self.max_nodes:,} nodes", mark)

    def _inner(self, node: yaml.Node) -> int:
        if isinstance(node, yaml.MappingNode):
            return sum(self._weights[id(key)] + self._weights[id(value)] for key, value in node.value)
        if isinstance(node, yaml.SequenceNode):
            return sum(self._weights[id(item)] for item in node.value)
        return len(node.value)
