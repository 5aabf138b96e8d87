//! SVMClassifier: every pair of classes votes.

use proptest::prelude::*;

use super::super::op::tensor_of;
use super::{ML, Value, close, kernel, matrix, numbers, rows};

/// Support vectors of the three classes.
const COUNTS: [usize; 3] = [2, 1, 3];
const ALL: usize = 6;

/// Which class a support vector is of.
fn class(vector: usize) -> usize {
    [0, 0, 1, 2, 2, 2][vector]
}

fn similar(name: &str, a: &[f32], b: &[f32]) -> f64 {
    let (mut dot, mut apart) = (0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        dot += a * b;
        apart += (a - b) * (a - b);
    }
    match name {
        "LINEAR" => dot,
        "POLY" => (0.1f32 as f64 * dot + 0.5).powi(2),
        "SIGMOID" => (0.1f32 as f64 * dot + 0.5).tanh(),
        _ => (-(0.1f32 as f64) * apart).exp(),
    }
}

proptest! {
    #[test]
    fn pairs_of_classes_vote(
        x in rows(2), vectors in numbers(2 * ALL), weights in numbers(2 * ALL), rho in numbers(3), name in 0usize..4, likely: bool,
    ) {
        let name = ["LINEAR", "POLY", "SIGMOID", "RBF"][name];
        let (a, b) = ([-1.0f32, -0.5, -2.0], [0.1f32, 0.0, -0.2]);
        let mut attributes = vec![
            ("kernel_type", Value::Text(name.into())), ("kernel_params", Value::Floats(vec![0.1, 0.5, 2.0])),
            ("vectors_per_class", Value::Ints(COUNTS.map(|count| count as i64).to_vec())),
            ("support_vectors", Value::Floats(vectors.clone())), ("coefficients", Value::Floats(weights.clone())),
            ("rho", Value::Floats(rho.clone())), ("classlabels_ints", Value::Ints(vec![4, 5, 6])),
        ];
        if likely {
            attributes.extend([("prob_a", Value::Floats(a.to_vec())), ("prob_b", Value::Floats(b.to_vec()))]);
        }
        let svm = kernel(ML, "SVMClassifier", &attributes).unwrap();
        let given = svm.run(&[&matrix(&x)]).unwrap();
        let pairs = [(0, 1), (0, 2), (1, 2)];
        let slow: Vec<Vec<f64>> = x.iter().map(|row| pairs.iter().enumerate().map(|(at, (i, j))| {
            let mut score = f64::from(rho[at]);
            for vector in 0..ALL {
                // A vector's weights against the other classes: in the row of the other class, less one where that is above.
                let line = match class(vector) {
                    of if of == *i => j - 1,
                    of if of == *j => *i,
                    _ => continue,
                };
                score += f64::from(weights[line * ALL + vector]) * similar(name, row, &vectors[2 * vector..2 * vector + 2]);
            }
            score
        }).collect()).collect();
        // Where a pair is undecided rounding decides.
        prop_assume!(slow.iter().flatten().all(|score| score.abs() > 1e-6));
        let labels: Vec<i64> = slow.iter().map(|scores| {
            let mut votes = [0; 3];
            for (score, (i, j)) in scores.iter().zip(pairs) {
                votes[if *score > 0.0 { i } else { j }] += 1;
            }
            4 + (0..3).rev().fold(0, |best, class| if votes[class] >= votes[best] { class } else { best }) as i64
        }).collect();
        prop_assert_eq!(&given[0], &tensor_of(&[x.len()], labels).unwrap());
        let shown: Vec<Vec<f32>> =
            given[1].try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().chunks(3).map(<[f32]>::to_vec).collect();
        if !likely {
            prop_assert!(close(&shown, &slow), "{} {:?} {:?}", name, shown, slow);
            return Ok(());
        }
        for (p, scores) in shown.iter().zip(&slow) {
            let p: Vec<f64> = p.iter().map(|v| f64::from(*v)).collect();
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{:?}", p);
            // Shares of the pairs, and how well the probabilities agree with them (Wu, Lin and Weng, equation 21).
            let mut r = [[0.0; 3]; 3];
            for (at, (i, j)) in pairs.iter().enumerate() {
                let share = 1.0 / (1.0 + (scores[at] * f64::from(a[at]) + f64::from(b[at])).exp());
                let share = share.clamp(1e-7, 1.0 - 1e-7);
                (r[*i][*j], r[*j][*i]) = (share, 1.0 - share);
            }
            let pull = |t: usize| -> f64 {
                (0..3).filter(|j| *j != t).map(|j| r[j][t] * r[j][t] * p[t] - r[j][t] * r[t][j] * p[j]).sum()
            };
            let mean: f64 = (0..3).map(|t| p[t] * pull(t)).sum();
            prop_assert!((0..3).all(|t| (pull(t) - mean).abs() < 0.005 / 3.0 + 1e-5), "{:?} {:?}", p, r);
        }
    }

    #[test]
    fn without_support_vectors_classes_have_weights(x in rows(2), weights in numbers(6), rho in numbers(1)) {
        let svm = kernel(ML, "SVMClassifier", &[
            ("coefficients", Value::Floats(weights.clone())), ("rho", Value::Floats(rho.clone())),
            ("classlabels_strings", Value::Texts(["a", "b", "c"].map(str::to_owned).to_vec())),
        ]).unwrap();
        let given = svm.run(&[&matrix(&x)]).unwrap();
        let slow: Vec<Vec<f64>> = x.iter().map(|row| (0..3).map(|class| {
            similar("LINEAR", row, &weights[2 * class..2 * class + 2]) + f64::from(rho[0])
        }).collect()).collect();
        let shown: Vec<Vec<f32>> =
            given[1].try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().chunks(3).map(<[f32]>::to_vec).collect();
        prop_assert!(close(&shown, &slow));
        let labels: Vec<String> = slow.iter().map(|s| {
            let best = (0..3).rev().fold(0, |best, class| if s[class] >= s[best] { class } else { best });
            ["a", "b", "c"][best].to_owned()
        }).collect();
        prop_assert_eq!(&given[0], &tensor_of(&[x.len()], labels).unwrap());
    }
}
