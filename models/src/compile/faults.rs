//! What tract reads and computes otherwise than ONNX says. A comparison with tract cannot show it: such a node is
//! refused by name.

use tract_onnx::pb::{ModelProto, NodeProto};

use crate::error::{Error, Result};

/// Refuses the first such node: a Celu forgets to multiply by its α, a Swish does not read it; recurrent
/// operators read neither their direction, where that is the reverse one alone, nor other activations than
/// the usual ones, nor a clip.
///
/// # Errors
/// With the node's name, what it may have, and the way out.
pub(super) fn refuse(proto: &ModelProto, place: &str) -> Result<()> {
    let nodes = proto.graph.iter().flat_map(|graph| &graph.node);
    for node in nodes {
        if let Some((expected, way_out)) = fault(node) {
            let place = format!("{place}, node {}", node.name);
            return Err(Error::input(place, expected).hint(way_out));
        }
    }
    Ok(())
}

/// What a node ought to have, and how else to write it.
fn fault(node: &NodeProto) -> Option<(String, &'static str)> {
    let attribute = |name: &str| node.attribute.iter().find(|at| at.name == name);
    let kind = node.op_type.as_str();
    let usual: &[&str] = match kind {
        "Celu" | "Swish" => {
            let way_out = match kind {
                "Celu" => "write it as Elu of x / alpha, times alpha",
                _ => "write it as x times Sigmoid of alpha times x",
            };
            let other = attribute("alpha").is_some_and(|alpha| alpha.f != 1.0);
            return other.then(|| (format!("a {kind} with an alpha of 1"), way_out));
        }
        "GRU" => &["Sigmoid", "Tanh"],
        "LSTM" => &["Sigmoid", "Tanh", "Tanh"],
        "RNN" => &["Tanh"],
        _ => return None,
    };
    let own = format!("{} {kind}", if kind == "GRU" { "a" } else { "an" });
    if attribute("direction").is_some_and(|direction| direction.s == b"reverse") {
        let expected = format!("{own} that runs forward or both ways, not in reverse alone");
        return Some((
            expected,
            "reverse the sequence in front of it, and what comes out",
        ));
    }
    let activations = attribute("activations").map_or(&[][..], |list| &list.strings);
    let is_usual = |(at, name): (usize, &Vec<u8>)| {
        name.eq_ignore_ascii_case(usual[at % usual.len()].as_bytes())
    };
    if !activations.iter().enumerate().all(is_usual) {
        let expected = format!("{own} with its usual activations ({})", usual.join(", "));
        return Some((
            expected,
            "train it with the usual ones (recurrent_activation=\"sigmoid\")",
        ));
    }
    let clips = attribute("clip").is_some_and(|clip| clip.f > 0.0);
    let coupled = attribute("input_forget").is_some_and(|coupled| coupled.i != 0);
    (clips || coupled).then(|| {
        let expected = format!("{own} without clip and input_forget");
        (expected, "export it without them")
    })
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, GraphProto};

    use super::*;

    fn told(kind: &str, attribute: AttributeProto) -> String {
        let node = NodeProto {
            name: "n".to_owned(),
            op_type: kind.to_owned(),
            attribute: vec![attribute],
            ..NodeProto::default()
        };
        let graph = GraphProto {
            node: vec![node],
            ..GraphProto::default()
        };
        let proto = ModelProto {
            graph: Some(graph),
            ..ModelProto::default()
        };
        refuse(&proto, "model")
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    }

    fn named(name: &str) -> AttributeProto {
        AttributeProto {
            name: name.to_owned(),
            ..AttributeProto::default()
        }
    }

    #[test]
    fn what_tract_would_drop_is_refused_by_name() {
        let words = |name: &str, words: &[&str]| AttributeProto {
            strings: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
            ..named(name)
        };
        let word = |name: &str, word: &str| AttributeProto {
            s: word.as_bytes().to_vec(),
            ..named(name)
        };
        let float = |name: &str, f: f32| AttributeProto { f, ..named(name) };
        let reverse = word("direction", "reverse");
        assert!(told("GRU", reverse.clone()).contains("node n: expected a GRU that runs forward"));
        assert!(told("LSTM", reverse).contains("reverse"));
        assert_eq!(told("LSTM", word("direction", "bidirectional")), "");
        assert!(told("RNN", words("activations", &["Relu"])).contains("usual activations (Tanh)"));
        assert!(told("GRU", words("activations", &["HardSigmoid", "Tanh"])).contains("usual"));
        let both = ["Sigmoid", "Tanh", "Sigmoid", "Tanh"];
        assert_eq!(told("GRU", words("activations", &both)), "");
        assert!(told("LSTM", float("clip", 0.5)).contains("without clip"));
        assert!(told("Swish", float("alpha", 1.5)).contains("an alpha of 1"));
        assert_eq!(told("Swish", float("alpha", 1.0)), "");
    }
}
