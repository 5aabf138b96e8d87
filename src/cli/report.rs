//! What `mlconsole model inspect` prints.

use super::OutputFormat;
use super::error::CliError;
use super::output::{Table, bytes, facts, many_lines, print, print_json};
use crate::resources::{ModelReport, OperatorUse, TensorSpec};

/// Prints what `model inspect` found. Fails when the model cannot run here, so that a script notices.
///
/// # Errors
/// [`CliError::Said`] for a model with unsupported operators.
pub fn print_report(report: &ModelReport, output: OutputFormat) -> Result<(), CliError> {
    if output == OutputFormat::Json {
        print_json(report)?;
    } else {
        let texts: Vec<String> = report.all().map(report_text).collect();
        print(&many_lines(&texts.join("\n\n\n")))?;
    }
    if report.runs == "python" || report.all().all(|model| model.unsupported.is_empty()) {
        Ok(())
    } else {
        Err(CliError::Said)
    }
}

fn report_text(report: &ModelReport) -> String {
    let opsets = report.opsets.iter().map(|(domain, version)| match domain.as_str() {
        "" => format!("ai.onnx {version}"),
        domain => format!("{domain} {version}"),
    });
    let mut text = facts(&[
        ("Model", report.name.clone()),
        ("Version", report.version.clone()),
        ("File", report.file.clone()),
        ("Format", report.format.clone()),
        ("Size", bytes(report.size_bytes)),
        ("Opset", opsets.collect::<Vec<_>>().join(", ")),
        ("Producer", report.producer.clone()),
        ("Runs here", runs_here(report).to_owned()),
    ]);
    let mut tensors = Table::new(&["", "NAME", "TYPE", "SHAPE"]);
    for (direction, specs) in [("input", &report.signature.inputs), ("output", &report.signature.outputs)] {
        for spec in specs {
            tensors.row([direction.to_owned(), spec.name.clone(), spec.datatype.clone(), shape(spec)]);
        }
    }
    if !tensors.is_empty() {
        text.push_str(&format!("\n\n{}", tensors.render()));
    }
    let name = |used: &OperatorUse| {
        if used.domain.is_empty() { used.operator.clone() } else { format!("{}.{}", used.domain, used.operator) }
    };
    if !report.operators.is_empty() {
        let all: Vec<String> = report.operators.iter().map(|used| format!("{} ×{}", name(used), used.count)).collect();
        text.push_str(&format!("\n\nOperators  {}", all.join(", ")));
    }
    if !report.unsupported.is_empty() {
        let mut table = Table::new(&["UNSUPPORTED", ">OPSET", ">NODES", "FIRST NODE", "WHAT TO DO"]);
        for used in &report.unsupported {
            let opset = if used.opset > 0 { used.opset.to_string() } else { String::new() };
            table.row([name(used), opset, used.count.to_string(), used.first_node.clone(), used.hint.clone()]);
        }
        text.push_str(&format!("\n\n{}", table.render()));
    }
    for remark in &report.notes {
        text.push_str(&format!("\n\n{remark}"));
    }
    text
}

/// Whether and how a model runs, in a few words.
fn runs_here(report: &ModelReport) -> &str {
    match report.runs.as_str() {
        "python" => "yes, in Python (script and environment are generated)",
        "script" => "with a scoring script of yours",
        "native (converted)" => "yes, native (converted)",
        _ if report.unsupported.is_empty() && report.native => "yes",
        _ => "no",
    }
}

/// `[batch, 3, 32, 32]`; a dimension of any size by its name, or `?`. Of an input that takes maps also the keys.
fn shape(spec: &TensorSpec) -> String {
    let dims = spec.shape.iter().enumerate().map(|(i, size)| match spec.dim_names.get(i) {
        _ if *size >= 0 => size.to_string(),
        Some(name) if !name.is_empty() => name.clone(),
        _ => "?".to_owned(),
    });
    let keys = spec.keys_text().map(|keys| format!(" by key: {keys}")).unwrap_or_default();
    format!("[{}]{keys}", dims.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Signature;

    #[test]
    fn a_report_says_what_goes_in_what_comes_out_and_what_does_not_run() {
        let report = ModelReport {
            format: "onnx".into(),
            file: "m.onnx".into(),
            size_bytes: 1200,
            opsets: vec![(String::new(), 13)],
            native: true,
            signature: Signature {
                inputs: vec![TensorSpec {
                    name: "x".into(),
                    datatype: "FP32".into(),
                    shape: vec![-1, 3, -1],
                    dim_names: vec!["batch".into()],
                    keys: Some(vec!["age".into()]),
                }],
                outputs: Vec::new(),
            },
            unsupported: vec![OperatorUse { operator: "STFT".into(), count: 2, ..OperatorUse::default() }],
            ..ModelReport::default()
        };
        let text = report_text(&report);
        for part in ["ai.onnx 13", "[batch, 3, ?] by key: age", "STFT", "Runs here  no", "1.2 kB"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
