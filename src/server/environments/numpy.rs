//! What conda knows and PyPI does not: packages compiled for numpy 1 do not run with numpy 2, and the older ones on PyPI do
//! not say so. conda's solver keeps them together with a numpy they run with; here that has to be asked for.

use super::requirements::project;
use super::spec::Spec;

/// The first version of each package whose wheels run with numpy 2, by the packages' own release notes.
const FIRST: [(&str, [u32; 3]); 10] = [
    ("scikit-learn", [1, 4, 2]),
    ("scipy", [1, 13, 0]),
    ("pandas", [2, 2, 2]),
    ("matplotlib", [3, 8, 4]),
    ("statsmodels", [0, 14, 2]),
    ("scikit-image", [0, 23, 0]),
    ("h5py", [3, 11, 0]),
    ("pyarrow", [16, 0, 0]),
    ("numba", [0, 60, 0]),
    ("shap", [0, 46, 0]),
];

/// Asks for numpy 1 where one of the packages `of_conda` (not those below `pip:`, which pip resolves on Azure too) needs it
/// and no version of numpy is asked for.
pub(super) fn keep_together(spec: &mut Spec, of_conda: &[String]) {
    let Some(old) = of_conda.iter().find(|requirement| is_old(requirement)) else { return };
    let mut numpy = spec.requirements.iter_mut().filter(|requirement| project(requirement).as_deref() == Some("numpy"));
    match numpy.next() {
        Some(open) if open.trim() == "numpy" => *open = "numpy<2".to_owned(),
        Some(_) => return,
        None => spec.requirements.push("numpy<2".to_owned()),
    }
    spec.notes.push(format!("numpy<2 is taken, as conda does: {old} was compiled for numpy 1"));
}

/// Whether a requirement pins a version that was compiled for numpy 1.
fn is_old(requirement: &str) -> bool {
    let Some((_, pin)) = requirement.split_once("==") else { return false };
    let name = project(requirement);
    let Some((_, first)) = FIRST.iter().find(|(known, _)| Some(*known) == name.as_deref()) else { return false };
    let mut parts = pin.trim().split('.').map(|part| part.parse::<u32>());
    let mut asked = [0; 3];
    for place in &mut asked {
        match parts.next() {
            Some(Ok(number)) => *place = number,
            // `1.4.*` takes the newest of them.
            Some(Err(_)) => *place = u32::MAX,
            None => break,
        }
    }
    asked < *first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(requirements: &[&str]) -> Vec<String> {
        let mut spec = Spec { requirements: requirements.iter().map(|r| (*r).to_owned()).collect(), ..Spec::default() };
        let of_conda = spec.requirements.clone();
        keep_together(&mut spec, &of_conda);
        assert_eq!(spec.notes.is_empty(), spec.requirements == requirements, "{:?}", spec.notes);
        spec.requirements
    }

    #[test]
    fn an_old_package_brings_the_numpy_it_was_compiled_for() {
        assert_eq!(kept(&["scikit-learn==1.2.2", "numpy", "pandas"]), ["scikit-learn==1.2.2", "numpy<2", "pandas"]);
        assert_eq!(kept(&["pandas==1.5.*"]), ["pandas==1.5.*", "numpy<2"]);
        for same in [
            &["scikit-learn==1.7.0", "numpy"][..],
            &["scikit-learn==1.4.*"],
            &["scikit-learn>=1.2"],
            &["scikit-learn==1.2.2", "numpy==2.3.1"],
            &["requests==1.0"],
            &["scipy==what"],
        ] {
            assert_eq!(kept(same), same);
        }
    }
}
