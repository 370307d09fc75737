"""The decision tree of the vertex engine's search: cells that wait, and the nodes that they are.

Data in: the two parts of a cell that was cut. Data out: frames on the stack, rows of the tree's columns.

Invariant: frames 0 .. height - 1 wait. A frame's skeleton, and its list of open neurons, lie behind those of the frames
below that share its ancestors, so both parts of a cell find what they need until they are taken off.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polylc.engines.vertex.skeleton import Cell
from polylc.jit.decorators import inlined

Array = np.ndarray

# places in a frame, a row of `Stack.frame`
BEGIN, COUNT, NODE, DEPTH = 0, 1, 2, 3  # of the cell: see `skeleton.Cell`
LAYER = 4  # whose neurons are being split, -1 before the first
OPEN, OPENS = 5, 6  # where its list of open neurons begins in `Stack.open`, and how many they are
COLUMN, SIDE = 7, 8  # the neuron that was cut last, -1 at the root, and the side of it
FRAME = 9  # entries of a frame

# places in `Stack.stats`: cells taken off, vertices of the largest, values of neurons at vertices
PROCESSED, LARGEST, VALUES = range(3)
NODES, TOTAL_NODES = range(2)  # places in `Tree.at`: nodes of this chunk, and of those before


class Stack(NamedTuple):
    """Cells that wait: where their skeletons and open neurons lie, and what was cut last."""

    frame: Array  # (most, FRAME)
    share: Array  # (most,) of the tree
    open: Array  # columns of open neurons; the two parts of a cell share a list
    path: Array  # (most,) columns of the neurons split on the way to the current cell
    height: Array  # (1,) how many cells wait
    done: Array  # (1,) share of the tree that is explored
    stats: Array  # see PROCESSED


class Tree(NamedTuple):
    """Nodes of one chunk."""

    parent: Array
    neuron: Array
    side: Array
    at: Array  # how many there are, see NODES


def start_stack(widths: list[int], vertices: int) -> Stack:
    """The root, a cell of so many vertices, and room for the deepest path: every neuron split, and both parts waiting
    of the last.
    """
    most = sum(widths) + 2
    lists = sum(w * (w + 3) // 2 for w in widths) + 1  # of a layer: all its neurons, then one less at each split
    frame, opens, path = (np.zeros(shape, dtype=np.int64) for shape in ((most, FRAME), lists, most))
    stack = Stack(frame, np.zeros(most), opens, path, np.ones(1, dtype=np.int64), np.zeros(1), np.zeros(3, dtype=np.int64))
    root = frame[0]
    root[COUNT], root[LAYER], root[COLUMN], root[SIDE] = vertices, -1, -1, -1
    stack.share[0] = 1.0
    return stack


def start_tree(nodes: int) -> Tree:
    """Room for so many nodes in a chunk, the root among them."""
    tree = Tree(np.empty(nodes, dtype=np.int32), np.empty(nodes, dtype=np.int32), np.empty(nodes, dtype=np.int8), np.array([1, 0]))
    tree.parent[0] = tree.neuron[0] = tree.side[0] = -1
    return tree


@inlined
def keep_open(stack: Stack, start: int, many: int, best: int) -> int:
    """Take the neuron that the cell is cut by out of its list of open ones; how many are left."""
    left = 0
    for q in range(start, start + many):
        if stack.open[q] != best:
            stack.open[start + left] = stack.open[q]
            left += 1
    return left


@inlined
def push(stack: Stack, tree: Tree, cell: Cell, neuron: int, column: int, share: float, layer: int, opens: tuple, sizes: tuple) -> None:
    """Put both parts of a cell, `sizes` vertices above and below, onto the stack and into the tree, the lower part
    first and on top.

    Skeletons lie behind that of the cell, the upper first; `opens` is their list of open neurons, its begin and its
    length.
    """
    above, below = sizes
    height, new, place = stack.height[0], tree.at[TOTAL_NODES] + tree.at[NODES], cell.begin + cell.vertices
    for upper in range(2):
        node = tree.at[NODES]
        tree.parent[node] = cell.node
        tree.neuron[node] = neuron
        tree.side[node] = upper
        tree.at[NODES] = node + 1
        row = height + 1 - upper
        frame = stack.frame[row]
        frame[BEGIN] = place if upper else place + above
        frame[COUNT] = above if upper else below
        frame[NODE], frame[DEPTH], frame[LAYER] = new + upper, cell.depth + 1, layer
        frame[OPEN], frame[OPENS] = opens
        frame[COLUMN], frame[SIDE] = column, upper
        stack.share[row] = 0.5 * share
    stack.height[0] = height + 2


@inlined
def keep_side(stack: Stack, tree: Tree, side: int) -> None:
    """Forget the part of the cell just split that is not on `side`."""
    row, last = stack.height[0] - 2, tree.at[NODES] - 1
    if side == 0:
        for entry in range(FRAME):
            stack.frame[row, entry] = stack.frame[row + 1, entry]
    else:  # the node of the lower part, which came first, is now that of the upper one
        stack.frame[row, NODE] -= 1
        tree.side[last - 1] = 1
    stack.height[0] -= 1
    tree.at[NODES] = last
