"""The plan of a montage: what will be shown, why, and what it is called."""

import json
from collections.abc import Mapping, Sequence

from fanreel.contracts import (
    AppearanceDocument,
    MatchDocument,
    MontageClip,
    MontagePlan,
    RenderStyle,
    VideoDocument,
)
from fanreel.domain import naming
from fanreel.domain.captions import caption_clip, caption_opener, clip_facts, crowd_level

from .choosing import Pick
from .film import Opener, Slowed, compose
from .moments import find_moments
from .poster import Poster, choose_poster
from .reasons import opener_reason, reason_of
from .sightings import focus_between, probabilities
from .style import MontageStyle

PLAIN = RenderStyle()
_NO_CARDS = {"intro_ms": 0, "outro_ms": 0}
MOST_CARDS = 0.5
"""Of the longest montage, how much its cards may be …"""
FAN_PER_CARD = 3.0
"""… and how much of the fan there must be for them: with less, people see a card and hardly a face. The title then
stands over the first clip instead."""


def plan_montage(
    fan_id: str,
    event_id: str,
    matches: Sequence[MatchDocument],
    appearances: Mapping[str, AppearanceDocument],
    videos: Mapping[str, VideoDocument],
    style: MontageStyle,
    render: RenderStyle = PLAIN,
    *,
    profile: str = "default",
) -> MontagePlan | None:
    """Return the fan's montage of an event, or None when there is nothing to show.

    `appearances` are all of the shots of the matched ones and of those that could open (`opener_shots`),
    strangers' too. Every clip of the fan lies in one shot, clear of its borders, between two sightings of the fan
    and never where somebody took their place; an opener shows nobody as its subject; clips never overlap, no
    picture is shown twice; the whole, with cards, never exceeds `max_ms`. The same material gives the same plan
    and the same `montage_id`, in whatever order it comes.
    """
    moments = find_moments(fan_id, event_id, matches, appearances, videos, style)
    cards = _cards(render, style)
    film = compose(moments, appearances, videos, style, max_ms=style.max_ms - _cards_ms(cards, style))
    if film is None:
        return None
    mine = probabilities(fan_id, event_id, matches, appearances)
    others = [one for one in appearances.values() if one.id not in mine]
    own = tuple(
        _clip(pick, film.slowed, videos[pick.moment.video_id], appearances, others, style) for pick in film.picks
    )
    if film.is_glimpse or _played_ms(own, style) < FAN_PER_CARD * _cards_ms(cards, style):
        named = "title" if cards.lower_third == "none" and cards.title else cards.lower_third
        cards = cards.model_copy(update={**_NO_CARDS, "lower_third": named})
    clips = own if film.opener is None else (_opener(film.opener, videos[film.opener.video_id], style), *own)
    plan = MontagePlan(
        montage_id="",
        fan_id=fan_id,
        event_id=event_id,
        clips=clips,
        duration_ms=_played_ms(clips, style) + _cards_ms(cards, style),
        crossfade_ms=style.crossfade_ms,
        width=style.width,
        height=style.height,
        profile=profile,
        order=style.order,
        render=cards,
    )
    decides = canonical(plan, choose_poster(plan, appearances))
    return plan.model_copy(update={"montage_id": naming.montage_id(fan_id, event_id, decides)})


def canonical(plan: MontagePlan, poster: Poster) -> str:
    """Return what decides the rendered files, as text: two plans that look and sound the same have one id.

    Where the face is decides a picture only where one is reframed or cut out; scores and reasons decide none but
    the poster's, around which the preview lies.
    """
    hidden = {"score", "scores", "reason", "appearance_id"}
    if plan.render.formats == ("16:9",) and plan.render.poster == "frame":
        hidden.add("focus")
    return json.dumps(
        {
            "clips": [clip.model_dump(mode="json", exclude=hidden) for clip in plan.clips],
            "crossfade_ms": plan.crossfade_ms,
            "size": [plan.width, plan.height],
            "render": plan.render.model_dump(mode="json"),
            "poster": [poster.clip_index, poster.pts_ms],
        },
        sort_keys=True,
    )


def _clip(
    pick: Pick,
    slowed: Slowed | None,
    video: VideoDocument,
    appearances: Mapping[str, AppearanceDocument],
    others: Sequence[AppearanceDocument],
    style: MontageStyle,
) -> MontageClip:
    moment = pick.moment
    scores = {**moment.parts, "variety": pick.variety}
    also = [pick.note] if pick.note else []
    if pick.length_ms < moment.length_ms:
        also.append("part of a longer moment")
    is_slow = slowed is not None and slowed.pick is pick
    facts = clip_facts(video, appearances[moment.appearance_id], others, pick.start_ms, pick.end_ms)
    return MontageClip(
        video_id=moment.video_id,
        start_ms=pick.start_ms,
        end_ms=pick.end_ms,
        score=pick.score,
        reason=reason_of(moment.parts if pick.is_first else scores, style.weights, also=also),
        appearance_id=moment.appearance_id,
        scores=scores,
        caption=caption_clip(facts),
        focus=focus_between(moment.sightings, pick.start_ms, pick.end_ms),
        slow_from_ms=slowed.from_ms if slowed is not None and is_slow else None,
        slow_to_ms=slowed.to_ms if slowed is not None and is_slow else None,
        slow_factor=style.slow_factor if is_slow else 1,
    )


def _opener(opener: Opener, video: VideoDocument, style: MontageStyle) -> MontageClip:
    crowd = crowd_level(video, opener.start_ms, opener.end_ms)
    return MontageClip(
        video_id=opener.video_id,
        start_ms=opener.start_ms,
        end_ms=opener.end_ms,
        score=0.0,
        reason=opener_reason(style),
        appearance_id="",
        kind="opener",
        caption=caption_opener(video.shots[opener.shot_index], crowd),
    )


def _cards(render: RenderStyle, style: MontageStyle) -> RenderStyle:
    """Return the style with the cards that say something and leave room for the fan."""
    intro_ms = render.intro_ms if (render.title or render.subtitle) else 0
    outro_ms = render.outro_ms if render.end_text else 0
    # A card that is all crossfade shows nothing.
    least_ms = 2 * style.crossfade_ms
    cards = render.model_copy(
        update={
            "intro_ms": intro_ms if intro_ms > least_ms else 0,
            "outro_ms": outro_ms if outro_ms > least_ms else 0,
        }
    )
    return cards if _cards_ms(cards, style) <= MOST_CARDS * style.max_ms else cards.model_copy(update=_NO_CARDS)


def _cards_ms(render: RenderStyle, style: MontageStyle) -> int:
    """Return how much longer the cards make a film: each overlaps its neighbour by one crossfade."""
    return sum(length_ms - style.crossfade_ms for length_ms in (render.intro_ms, render.outro_ms) if length_ms)


def _played_ms(clips: Sequence[MontageClip], style: MontageStyle) -> int:
    return sum(clip.played_ms for clip in clips) - style.crossfade_ms * (len(clips) - 1)
