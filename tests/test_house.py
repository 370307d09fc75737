"""The house of docs/architecture.md: its floors, no circle among files, and nothing heavy imported before it is
needed.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "polylc"
PLAN = PACKAGE.parent / "docs" / "architecture.md"
ROOT_FILES = {"__init__.py", "__main__.py", "_version.py", "checker.py", "errors.py"}


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(("polylc", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


FILES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def floors() -> list[str]:
    """Names of the floors in the table of the plan, from the ground up."""
    section = PLAN.read_text(encoding="utf-8").split("## The house")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)[::-1]


def imports(module: str) -> set[str]:
    """Files of the package that a file imports anywhere: at the top, inside functions, for type checkers."""
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None and node.module.split(".")[0] == "polylc":
            for alias in node.names:
                one = f"{node.module}.{alias.name}"
                found.add(one if one in FILES else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "polylc"}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{module}: a relative import"
    return found


def floor_of(module: str) -> str:
    """The floor on which a file stands."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


ARROWS = {module: imports(module) for module in FILES}


def test_the_plan_names_every_folder_and_nothing_else():
    names = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.suffix == ".py" or (p.is_dir() and p.name != "__pycache__")}
    assert sorted(floors()) == sorted(names - {"__main__"})
    assert {p.name for p in PACKAGE.iterdir() if p.suffix == ".py"} == ROOT_FILES


@pytest.mark.parametrize("module", FILES)
def test_a_file_imports_only_lower_floors_and_its_own(module):
    height = {name: number for number, name in enumerate([*floors(), "__main__"])}
    for other in ARROWS[module]:
        if floor_of(other) == "checker":
            assert module in ("polylc.api.check", "polylc.cli.commands.check"), "only the check command knows the checker"
        assert floor_of(other) == floor_of(module) or height[floor_of(other)] < height[floor_of(module)], f"{module} imports {other}"


def test_no_circle_among_files():
    """Files are taken away whose imports all are gone; what is left would be circles, and what imports them."""
    left = {module: set(others) for module, others in ARROWS.items()}
    while True:
        free = [module for module, others in left.items() if not others & left.keys()]
        if not free:
            break
        for module in free:
            del left[module]
    assert not left


@pytest.mark.parametrize("code", ["import polylc", "import polylc.cli", "from polylc import certify, load"])
def test_torch_is_not_imported_before_it_is_needed(code):
    heavy = "{'sympy', 'torch', 'onnx', 'matplotlib', 'pandas', 'networkx', 'flint'}"
    subprocess.run([sys.executable, "-c", f"{code}; import sys; assert not {heavy} & set(sys.modules)"], check=True)


def test_the_checker_stands_alone():
    """It imports nothing but the standard library, nothing of polylc above all."""
    for node in ast.walk(ast.parse((PACKAGE / "checker.py").read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in names)


@pytest.mark.parametrize("module", FILES)
def test_no_name_of_a_file_is_given_twice(module):
    """The later constant would stand in the functions above it as well; overloads say that they are several."""
    seen = list[str]()
    for node in ast.parse(FILES[module].read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            seen += [] if any(ast.unparse(mark).endswith("overload") for mark in node.decorator_list) else [node.name]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            seen += [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    assert sorted(set(seen)) == sorted(seen)
