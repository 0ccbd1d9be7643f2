"""`fanreel eval attributes`: apparent gender and age, judged on people nothing was fitted on."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fanreel.domain.attributes import ADULT_FROM_YEARS, DECLARED_FROM, baseline_attributes
from fanreel.evaluation.attribute_stills import PersonStills, person_stills
from fanreel.inference.networks import load_networks
from fanreel.local.processes import project_root
from fanreel.settings import get_settings

MEDIA = project_root().parent / "shared" / "media"
AGE_BANDS = ((0, 13), (13, 20), (20, 30), (30, 45), (45, 60), (60, 75), (75, 120))
out = Console(width=110, highlight=False)

Mask = NDArray[np.bool_]


def attributes(
    media: Annotated[Path, typer.Option(help="The shared test media.")] = MEDIA,
) -> None:
    """Judge apparent gender, its `undetermined` band, and age."""
    people = person_stills(media, load_networks(get_settings()))
    show_gender(people)
    show_votes(people)
    show_ages(people)


def show_gender(people: PersonStills) -> None:
    """Print how often single faces are declared, and how often rightly, before and after joining."""
    joined = baseline_attributes().female_probability(people.first, people.second)
    table = Table(title=f"gender of single faces nothing was fitted on; declared from {DECLARED_FROM} on")
    for name in ("faces", "network", "n", "right", "declared wrong", "of declared right", "undetermined"):
        table.add_column(name, justify="left" if name in ("faces", "network") else "right")
    for name, own in groups(people).items():
        answers = {"age_gender": people.first, "face_context": people.second, "joined": joined}
        for network, female in answers.items():
            seen, truth = female[own], people.female[own]
            right = (seen > 0.5) == truth
            declared = declares(seen)
            wrong = int((~right & declared).sum())
            share = f"{(right & declared).sum() / max(int(declared.sum()), 1):.3f}"
            cells = (f"{right.mean():.3f}", str(wrong), share, f"{1 - declared.mean():.3f}")
            table.add_row(name, network, str(len(right)), *cells)
    out.print(table)


def show_votes(people: PersonStills) -> None:
    """Print the same for votes: the mean over all photographs of a person who has two or more."""
    joined = baseline_attributes().female_probability(people.first, people.second)
    right = declared = voted = 0
    for person in np.unique(people.person[~people.fitting]):
        own = people.person == person
        if int(own.sum()) > 1:
            female = float(joined[own].mean())
            sure = bool(declares(np.array([female]))[0])
            voted, declared = voted + 1, declared + sure
            right += sure and (female > 0.5) == bool(people.female[own][0])
    out.print(f"votes over two to five photographs: {voted} people, {declared} declared, {right} of them rightly")


def show_ages(people: PersonStills) -> None:
    """Print the error of age by band. No number of ours is fitted on ages, so all faces count."""
    table = Table(title="age, UTKFace (each photograph its own person; age_gender may have been trained on it)")
    for name in ("years", "n", "mean error", "mean absolute error"):
        table.add_column(name, justify="right")
    for low, high in (*AGE_BANDS, (0, 120)):
        own = (people.age >= low) & (people.age < high)
        error = people.seen_age[own] - people.age[own]
        table.add_row(f"{low}–{high - 1}", str(len(error)), f"{error.mean():+.1f}", f"{np.abs(error).mean():.1f}")
    out.print(table)


def groups(people: PersonStills) -> dict[str, Mask]:
    """Return the judged faces: press photographs, and UTKFace by whether the face looks grown up."""
    judged, utk = ~people.fitting, ~np.isnan(people.age)
    adult = people.seen_age >= ADULT_FROM_YEARS
    return {
        "LFW, first name": judged & ~utk,
        "UTKFace (a photo = a person), looks 13+": judged & utk & adult,
        "UTKFace (a photo = a person), looks younger": judged & utk & ~adult,
    }


def declares(female: NDArray[np.floating]) -> Mask:
    """Return where a verdict is given."""
    return np.asarray(np.abs(female - 0.5) >= DECLARED_FROM - 0.5, np.bool_)
