//! mlflow-skinny in place of mlflow.

use super::requirements;

/// mlflow-skinny with pandas and numpy serves what mlflow serves, in half the space and time (reference §4.1).
pub fn exchange(wanted: &mut Vec<String>, notes: &mut Vec<String>) {
    let mut exchanged = None;
    for line in wanted.iter_mut() {
        // Extras and addresses are of mlflow itself.
        if requirements::is_named(line, "mlflow") && !line.contains(['[', '@']) {
            let skinny = format!("mlflow-skinny{}", line.get("mlflow".len()..).unwrap_or_default());
            notes.push(format!(
                "{line} is installed as {skinny}; mlflow_full = true in the configuration keeps it whole"
            ));
            exchanged = Some(companions(&skinny));
            *line = skinny;
        }
    }
    for (project, needed) in exchanged.into_iter().flatten() {
        if !wanted.iter().any(|line| requirements::is_named(line, project)) {
            wanted.push((*needed).to_owned());
        }
    }
}

/// What the whole mlflow of that version brings of what serving takes. Versions before 3 do not know pandas 3, those before
/// 2.14 not numpy 2, and they import `pkg_resources`, which conda's Python has from setuptools.
fn companions(skinny: &str) -> &'static [(&'static str, &'static str)] {
    let version = skinny.split_once("==").map_or("", |(_, version)| version);
    let mut parts = version.split('.').map(|part| part.trim().parse::<u32>().unwrap_or(u32::MAX));
    match (parts.next().unwrap_or(u32::MAX), parts.next().unwrap_or(0)) {
        (1, _) | (2, ..14) => &[("pandas", "pandas<3"), ("numpy", "numpy<2"), ("setuptools", "setuptools<81")],
        (2, _) => &[("pandas", "pandas<3"), ("numpy", "numpy<3"), ("setuptools", "setuptools<81")],
        _ => &[("pandas", "pandas"), ("numpy", "numpy")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanged(lines: &[&str]) -> Vec<String> {
        let mut wanted: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        exchange(&mut wanted, &mut Vec::new());
        wanted
    }

    #[test]
    fn a_pinned_mlflow_becomes_skinny_with_what_it_was_made_for() {
        assert_eq!(exchanged(&["mlflow==3.17.2", "numpy==2.2.6"]), ["mlflow-skinny==3.17.2", "numpy==2.2.6", "pandas"]);
        let old = ["mlflow-skinny==2.9.2", "pandas<3", "numpy<2", "setuptools<81"];
        assert_eq!(exchanged(&["mlflow==2.9.2"]), old);
        assert_eq!(
            exchanged(&["mlflow==2.22.0", "setuptools==65.5.0"])[1..],
            ["setuptools==65.5.0", "pandas<3", "numpy<3"]
        );
        assert_eq!(exchanged(&["mlflow[extras]==3.1", "six"]), ["mlflow[extras]==3.1", "six"]);
    }
}
