"""Options that several commands have, each with its type and its help."""

from __future__ import annotations

from typing import Annotated

import typer

from polylc.errors import UsageError


def _jobs(text: str) -> int:
    from polylc.search.cores import as_jobs

    try:
        return as_jobs(text)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None


WHERE, READ, SAMPLING, FILES, LIMITS = "Neighbourhoods", "How the model is read", "Sampling", "Files written", "Limits"

Model = Annotated[
    str,
    typer.Argument(
        help="Model file: .pt/.pth/.ckpt (pickled module, or state dict with --arch), .pt2, .onnx, .npz (W0, b0, ...).", show_default=False
    ),
]
Data = Annotated[str | None, typer.Option(help="Data file with one point a row: .npy .npz .csv .pt.", show_default=False, rich_help_panel=WHERE)]
Rows = Annotated[str | None, typer.Option(help="Rows of the data file: 7, 0:20 or 1,4,9.", show_default=False, rich_help_panel=WHERE)]
Center = Annotated[str | None, typer.Option(help='Centre of the ball: "x1,x2,..." (decimals are exact).', show_default=False, rich_help_panel=WHERE)]
Box = Annotated[
    tuple[str, str] | None,
    typer.Option(help='A box: its corners "l1,l2,..." "u1,u2,...".', show_default=False, metavar="LOWER UPPER", rich_help_panel=WHERE),
]
Radius = Annotated[
    str | None, typer.Option(help="Radius of the balls; a list gives one for each coordinate, 0 fixes it.", show_default=False, rich_help_panel=WHERE)
]
Plane = Annotated[
    str | None,
    typer.Option(
        help="The plane through three rows of the data file: 0,1,2, in place of balls.", show_default=False, metavar="A,B,C", rich_help_panel=WHERE
    ),
]
Line = Annotated[
    str | None,
    typer.Option(
        help="The line from one row of the data file to another: 0,1, in place of balls.", show_default=False, metavar="A,B", rich_help_panel=WHERE
    ),
]
Margin = Annotated[
    str | None,
    typer.Option(
        help="How far a plane or line reaches beyond its rows, as a share (default: 1/4, and 0 for a line).",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
Frame = Annotated[
    tuple[str, str] | None,
    typer.Option(
        help="Along any directions: the data file's first row is the origin, its others are directions, made orthogonal, with factors from LO to HI.",
        show_default=False,
        metavar="LO HI",
        rich_help_panel=WHERE,
    ),
]
Clip = Annotated[
    tuple[str, str] | None, typer.Option(help="Intersect with the box [LO, HI].", show_default=False, metavar="LO HI", rich_help_panel=WHERE)
]
Labels = Annotated[
    str | None, typer.Option(help="File of labels, one for each row (default: the class at the centre).", show_default=False, rich_help_panel=WHERE)
]
LabelColumn = Annotated[
    int | None,
    typer.Option(help="Column of the data that holds the label (negative counts from the end).", show_default=False, rich_help_panel=WHERE),
]
Scale = Annotated[str | None, typer.Option(help="Factor for the data, exact: 1/255.", show_default=False, rich_help_panel=WHERE)]
Array = Annotated[str | None, typer.Option(help="Name of the array in an .npz file.", show_default=False, rich_help_panel=WHERE)]
InputShape = Annotated[
    str | None, typer.Option(help="Shape of one input, C,H,W, where the model leaves it open.", show_default=False, rich_help_panel=READ)
]
Methods = Annotated[
    str,
    typer.Option(
        help="all, or names separated by commas; on request only: lipsdp, exact_draws, rao_blackwell, slices, tilted.", rich_help_panel=SAMPLING
    ),
]
BallNorm = Annotated[str, typer.Option("--norm", help="Of the balls: linf, l2 or l1.", rich_help_panel=WHERE)]
Samples = Annotated[
    int | None,
    typer.Option(
        min=2, help="Sample points of each method (default: 4096, fewer where a Jacobian is dear).", show_default=False, rich_help_panel=SAMPLING
    ),
]
Sigma = Annotated[float, typer.Option(help="Standard deviation of the bias noise.", rich_help_panel=SAMPLING)]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers.", rich_help_panel=SAMPLING)]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:0.", rich_help_panel=SAMPLING)]
Dtype = Annotated[str, typer.Option(help="float64 or float32.", rich_help_panel=SAMPLING)]
Memory = Annotated[int, typer.Option(min=1, help="MiB for one chunk of samples, roughly.", rich_help_panel=SAMPLING)]
Tube = Annotated[
    float | None,
    typer.Option(
        help="Half width of the tubes (default: a hundredth of the smallest half width of the neighbourhood).",
        show_default=False,
        rich_help_panel=SAMPLING,
    ),
]
Diamond = Annotated[
    float | None,
    typer.Option(help="Radius of the diamonds of humayun (default: the same, times sqrt(n)).", show_default=False, rich_help_panel=SAMPLING),
]
Directions = Annotated[int, typer.Option(min=1, help="Directions of a diamond, half its vertices.", rich_help_panel=SAMPLING)]
Width = Annotated[
    float | None, typer.Option(help="Relative width that intervals of tilted are to have.", show_default=False, rich_help_panel=SAMPLING)
]
Planes = Annotated[int, typer.Option(min=2, help="Planes of slices.", rich_help_panel=SAMPLING)]
Arch = Annotated[
    str | None,
    typer.Option(
        help="FILE.py:NAME: your own class, function or module, which weights are loaded into. FILE.py is run.",
        show_default=False,
        rich_help_panel=READ,
    ),
]
Activation = Annotated[
    str | None,
    typer.Option(
        help="relu, or leaky_relu:SLOPE, as what joins the layers of a state dict that is a chain of Linear layers.",
        show_default=False,
        rich_help_panel=READ,
    ),
]
TrustPickle = Annotated[bool, typer.Option("--trust-pickle", help="No longer read; see --arch.", rich_help_panel=READ)]
JsonFile = Annotated[str | None, typer.Option("--json", help="Write the report; - for stdout.", show_default=False, rich_help_panel=FILES)]
ReportFile = Annotated[
    str | None,
    typer.Option(
        "--report", help="Write a report to look at: one .html file, with pictures.", show_default=False, metavar="FILE.html", rich_help_panel=FILES
    ),
]
TimeLimit = Annotated[
    float | None, typer.Option(min=0, help="Seconds for all work on each neighbourhood.", show_default=False, rich_help_panel=LIMITS)
]
MaxRegions = Annotated[int | None, typer.Option(min=1, help="Regions for each neighbourhood.", show_default=False, rich_help_panel=LIMITS)]
MostMemory = Annotated[
    int | None,
    typer.Option(min=1, help="MiB for all processes on this machine; by default most of what is free.", show_default=False, rich_help_panel=LIMITS),
]
Jobs = Annotated[
    int,
    typer.Option(
        parser=_jobs,
        help="Processes to share the work: a number, or auto for one each core; the results are the same.",
        metavar="N|auto",
        rich_help_panel=LIMITS,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(help="Scheduler of a dask cluster, tcp://HOST:8786, whose workers share the work.", show_default=False, metavar="ADDRESS"),
]
RunFolder = Annotated[
    str | None,
    typer.Option(
        "--run",
        help="Folder for a journal: the same command goes on where it ended; polylc show reads it.",
        show_default=False,
        metavar="FOLDER",
        rich_help_panel=FILES,
    ),
]
Picture = Annotated[str | None, typer.Option(help="Picture to write: .png, .pdf or .svg.", show_default=False, rich_help_panel=FILES)]

# named here, and held to the registry by a test: the help must not wait for its import
MEASURES_HELP = (
    "default (all that cost at most a few times the enumeration), all (bounds too, not topology), or some of counts, local_complexity, "
    "total_variation, kink_variation, local_rank, lipschitz, robustness, topology, bounds."
)
