"""A captioning network small enough to be made here: it looks at the picture's colour and spells what it saw.

The encoder averages the picture into one row of three numbers. The decoder's next token depends on the last one
and, at the place of the colour, on the encoder's row: a chain of tokens, with a fork. So reading the picture, the
loop over tokens, the stop token and the spelling all have to work for the right words to come out.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fanreel.domain.captions import ClipFacts, caption_clip, network_caption
from fanreel.errors import ModelFault
from fanreel.inference.captioner import MAX_TOKENS, STOP, Captioner, load_captioner, read_vocabulary
from fanreel.inference.catalogue import sha256_of, write_pin
from fanreel.settings import Settings

pytestmark = pytest.mark.integration

TOKENS = ("a", "Ġwoman", "Ġin", "Ġred", "Ġblue", "Ġcheers", "ĠÃ©", STOP)
A, WOMAN, IN, RED, BLUE, CHEERS, ACCENT, END = range(len(TOKENS))
SAID = {END: A, A: WOMAN, WOMAN: IN, RED: CHEERS, BLUE: CHEERS, CHEERS: END, ACCENT: END}
"""After which token which comes; after IN the picture decides."""
F = TensorProto.FLOAT


def encoder() -> bytes:
    """pixel_values (1, 3, side, side) → last_hidden_state (1, 1, 3)."""
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["last_hidden_state"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        numpy_helper.from_array(np.array([1, 1, 3], np.int64), "shape"),
    ]
    inputs = [helper.make_tensor_value_info("pixel_values", F, [1, 3, "h", "w"])]
    output = helper.make_tensor_value_info("last_hidden_state", F, [1, 1, 3])
    return model(nodes, inputs, output, constants)


def decoder(chain: dict[int, int], *, width: int = len(TOKENS)) -> bytes:
    """(input_ids (1, n), encoder_hidden_states (1, 1, 3)) → logits (1, n, width): what comes after each token."""
    after = np.zeros((len(TOKENS), width), np.float32)
    for token, following in chain.items():
        after[token, following] = 10.0
    # After IN, and nowhere else, red speaks for RED and blue for BLUE.
    sees = np.zeros((3, width), np.float32)
    sees[0, RED], sees[2, BLUE] = 1.0, 1.0
    gate = np.zeros((len(TOKENS), 1), np.float32)
    gate[IN] = 1.0
    nodes = [
        helper.make_node("Gather", ["after", "input_ids"], ["by_token"]),
        helper.make_node("Gather", ["gate", "input_ids"], ["open"]),
        helper.make_node("MatMul", ["encoder_hidden_states", "sees"], ["by_picture"]),
        helper.make_node("Mul", ["open", "by_picture"], ["gated"]),
        helper.make_node("Add", ["by_token", "gated"], ["logits"]),
    ]
    constants = [numpy_helper.from_array(v, n) for n, v in (("after", after), ("gate", gate), ("sees", sees))]
    inputs = [
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "n"]),
        helper.make_tensor_value_info("encoder_hidden_states", F, [1, 1, 3]),
    ]
    return model(nodes, inputs, helper.make_tensor_value_info("logits", F, [1, "n", width]), constants)


def model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    output: onnx.ValueInfoProto,
    constants: list[onnx.TensorProto],
) -> bytes:
    graph = helper.make_graph(nodes, "tiny", inputs, [output], initializer=constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def install(folder: Path, chain: dict[int, int], *, width: int = len(TOKENS)) -> Settings:
    files = {
        "captioner_encoder": ("captioner_encoder.onnx", encoder()),
        "captioner_decoder": ("captioner_decoder.onnx", decoder(chain, width=width)),
        "captioner_words": (
            "captioner_words.json",
            json.dumps({token: number for number, token in enumerate(TOKENS)}).encode(),
        ),
    }
    for entry_id, (name, data) in files.items():
        (folder / name).write_bytes(data)
        write_pin(folder, entry_id, sha256_of(folder / name))  # what `models pull pro` does with an unpinned file
    return Settings(model_dir=folder, caption_network=True)


def loaded(folder: Path, chain: dict[int, int] = SAID) -> Captioner:
    captioner = load_captioner(install(folder, chain))
    assert captioner is not None
    return captioner


def picture(blue: int, green: int, red: int) -> np.ndarray:
    return np.full((90, 160, 3), (blue, green, red), np.uint8)


def test_the_words_are_those_of_the_picture(tmp_path: Path):
    captioner = loaded(tmp_path)
    assert captioner.describe(picture(20, 20, 220)) == "a woman in red cheers"
    assert captioner.describe(picture(220, 20, 20)) == "a woman in blue cheers"


def test_the_network_sees_rgb_between_minus_one_and_one(tmp_path: Path):
    captioner = loaded(tmp_path)
    features = captioner.encoder.run({"pixel_values": captioner._input(picture(0, 255, 51))})
    np.testing.assert_allclose(features["last_hidden_state"][0, 0], [-0.6, 1.0, -1.0], atol=1e-3)


def test_what_it_says_is_shown_only_where_it_may_be(tmp_path: Path):
    said = loaded(tmp_path).describe(picture(20, 20, 220))
    woman, man = ClipFacts(gender="female"), ClipFacts(gender="male", clothing="black")
    assert network_caption(said, woman) == "A woman in red cheers."
    assert network_caption(said, man) == caption_clip(man)


def test_bytes_that_are_no_ascii_are_spelled(tmp_path: Path):
    assert loaded(tmp_path, SAID | {A: ACCENT}).describe(picture(0, 0, 0)) == "a é"


def test_a_network_that_never_stops_is_stopped(tmp_path: Path):
    said = loaded(tmp_path, SAID | {WOMAN: WOMAN}).describe(picture(0, 0, 0))
    assert said.split() == ["a", *["woman"] * (MAX_TOKENS - 1)]
    facts = ClipFacts(gender="female")
    assert network_caption(said, facts) == caption_clip(facts)


def test_there_is_none_unless_wanted_and_complete(tmp_path: Path):
    settings = install(tmp_path, SAID)
    assert load_captioner(settings.model_copy(update={"caption_network": False})) is None
    (tmp_path / "captioner_words.json").unlink()
    assert load_captioner(settings) is None


def test_a_file_that_was_exchanged_is_not_loaded(tmp_path: Path):
    settings = install(tmp_path, SAID)
    (tmp_path / "captioner_words.json").write_text("{}")
    with pytest.raises(ModelFault) as fault:
        load_captioner(settings)
    assert fault.value.code == "model_checksum_mismatch"


def test_networks_that_do_not_belong_together_are_a_fault(tmp_path: Path):
    captioner = load_captioner(install(tmp_path, SAID, width=len(TOKENS) + 3))
    assert captioner is not None
    with pytest.raises(ModelFault) as fault:
        captioner.describe(picture(0, 0, 0))
    assert fault.value.code == "inference_failed"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"a": 0}', f'{{"a": 1, "{STOP}": 2}}', f'{{"→": 0, "{STOP}": 1}}']
)
def test_what_is_no_vocabulary_is_a_fault(text: str):
    with pytest.raises(ModelFault) as fault:
        read_vocabulary(text)
    assert fault.value.code == "vocabulary_malformed"


def test_every_byte_can_be_spelled():
    spelled = [chr(b) for b in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))]
    assert len(spelled) == 188
    letters = spelled + [chr(256 + i) for i in range(256 - len(spelled))]
    words = read_vocabulary(json.dumps({letter: i for i, letter in enumerate(letters)} | {STOP: 256}))
    assert sorted(b"".join(words.tokens)) == list(range(256))
    assert words.text([letters.index("Ġ"), letters.index("Ċ")]) == " \n"
