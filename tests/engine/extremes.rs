//! Every operator of the standard with values that nobody thought of: the caller may be told off, the instance lives.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mlconsole::server::engine::{self, InstanceMemory, ModelSource, OutOfMemory, panic_text};
use tract_onnx::pb::TensorProto;

use crate::cases::{Case, Index, request, wire_bytes, wire_type};
use crate::node_tests::cases;
use crate::python;

/// What all numbers of a request are replaced by.
#[derive(Debug, Clone, Copy)]
enum Pattern {
    Zeros,
    Least,
    Most,
    /// NaN for floats, minus one for whole numbers.
    Odd,
    /// Small ones of either sign.
    Small(u64),
    /// Anything at all.
    Any(u64),
}

const PATTERNS: [Pattern; 8] = [
    Pattern::Zeros,
    Pattern::Least,
    Pattern::Most,
    Pattern::Odd,
    Pattern::Small(1),
    Pattern::Small(2),
    Pattern::Any(3),
    Pattern::Any(4),
];

macro_rules! element {
    ($random:expr, $pattern:expr, $t:ty, $odd:expr) => {
        match $pattern {
            Pattern::Zeros => <$t>::default(),
            Pattern::Least => <$t>::MIN,
            Pattern::Most => <$t>::MAX,
            Pattern::Odd => $odd,
            Pattern::Small(_) => $random.i8(-12..12) as $t,
            Pattern::Any(_) => {
                <$t>::from_le_bytes($random.u64(..).to_le_bytes()[..size_of::<$t>()].try_into().unwrap())
            }
        }
        .to_le_bytes()
        .to_vec()
    };
}

fn element(random: &mut fastrand::Rng, pattern: Pattern, datatype: &str) -> Option<Vec<u8>> {
    Some(match datatype {
        "FP32" => element!(random, pattern, f32, f32::NAN),
        "FP64" => element!(random, pattern, f64, f64::NAN),
        "INT8" => element!(random, pattern, i8, -1),
        "INT16" => element!(random, pattern, i16, -1),
        "INT32" => element!(random, pattern, i32, -1),
        "INT64" => element!(random, pattern, i64, -1),
        "UINT8" => element!(random, pattern, u8, 1),
        "UINT16" => element!(random, pattern, u16, 1),
        "UINT32" => element!(random, pattern, u32, 1),
        "UINT64" => element!(random, pattern, u64, 1),
        "BOOL" => vec![u8::from(matches!(pattern, Pattern::Most) || random.bool())],
        // Strings and halves stay as they are.
        _ => return None,
    })
}

fn values(tensor: &TensorProto, pattern: Pattern) -> Option<(Vec<u8>, &'static str)> {
    let (datatype, width) = wire_type(tensor.data_type)?;
    let seed = if let Pattern::Small(seed) | Pattern::Any(seed) = pattern { seed } else { 0 };
    let mut random = fastrand::Rng::with_seed(seed);
    let own = wire_bytes(tensor);
    let count = own.len().checked_div(width).unwrap_or(0);
    let new: Option<Vec<Vec<u8>>> = (0..count).map(|_| element(&mut random, pattern, datatype)).collect();
    Some((new.filter(|_| width > 0).map_or(own, |new| new.concat()), datatype))
}

/// What a case's model panics with, if it does.
fn panics(case: &Case, folder: &Path) -> BTreeSet<String> {
    let source = ModelSource {
        path: folder.join("model.onnx"),
        model_type: "custom_model".to_owned(),
        name: "case".to_owned(),
        version: "1".to_owned(),
        memory: Some(InstanceMemory { bytes: 256 << 20, sharers: 1 }),
        ..Default::default()
    };
    let mut found = BTreeSet::new();
    let Ok(Ok(servable)) = catch_unwind(|| engine::load(&source, &|_| {})) else { return found };
    for pattern in PATTERNS {
        let Ok(request) = request(case, &folder.join("0"), |tensor| values(tensor, pattern)) else { continue };
        let mut instance = servable.clone().instance().expect("an instance of a loaded model");
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| instance.score(&request)))
            && !panic.is::<OutOfMemory>()
        {
            let text = panic_text(&*panic);
            // Sums and products wrap in what is shipped; only a debug build, such as this one, makes a panic of it.
            let wraps =
                ["add", "subtract", "multiply"].iter().any(|op| text == format!("attempt to {op} with overflow"));
            if !wraps {
                found.insert(format!("{pattern:?}: {}", text.lines().next().unwrap_or_default()));
            }
        }
    }
    found
}

#[test]
fn no_value_costs_an_instance() {
    let found = cases();
    let Some(folder) = python::or_skip(&found) else { return };
    let index: Index = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let mut by_operator: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in index.cases.iter().filter(|case| case.skip.is_none()) {
        let found = panics(case, &folder.join(&case.kind).join(&case.name));
        for text in found {
            let place = by_operator.entry(case.operators.join("+")).or_default();
            place.insert(format!("{} {text}", case.name));
        }
    }
    for (operator, texts) in &by_operator {
        println!("{operator}");
        texts.iter().for_each(|text| println!("    {text}"));
    }
    assert!(by_operator.is_empty(), "{:?}", by_operator.keys());
}
