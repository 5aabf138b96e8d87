//! TfIdfVectorizer: how often each known n-gram occurs in a row.

use std::collections::HashMap;
use std::hash::Hash;

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs;
use super::op::{Fact, Kernel, numbers, only, slice, tensor_of};

/// The n-grams by their items, with their positions in the pool.
#[derive(Debug)]
enum Pool {
    Ints(HashMap<Vec<i64>, usize>),
    Strings(HashMap<Vec<String>, usize>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Tf,
    Idf,
    TfIdf,
}

#[derive(Debug)]
struct TfIdf {
    pool: Pool,
    /// Column of each n-gram in the pool.
    columns: Vec<usize>,
    /// Weight of each n-gram in the pool; none for all alike.
    weights: Vec<f32>,
    mode: Mode,
    shortest: usize,
    longest: usize,
    skips: usize,
    width: usize,
}

impl TfIdf {
    fn weight(&self, gram: usize) -> f32 {
        self.weights.get(gram).copied().unwrap_or(1.0)
    }

    /// Adds one row's n-grams up.
    fn row<T: Hash + Eq + Clone>(&self, pool: &HashMap<Vec<T>, usize>, row: &[T], out: &mut [f32]) {
        let mut seen = |gram: usize| {
            let cell = &mut out[self.columns[gram]];
            match self.mode {
                Mode::Tf => *cell += 1.0,
                Mode::Idf => *cell = self.weight(gram),
                Mode::TfIdf => *cell += self.weight(gram),
            }
        };
        let mut key = Vec::with_capacity(self.longest);
        for size in self.shortest..=self.longest {
            // A single item has no distance: it counts once.
            let distances = if size == 1 { 1 } else { self.skips.saturating_add(1).min(row.len()) };
            for distance in 1..=distances {
                let Some(reach) = distance.checked_mul(size - 1).filter(|reach| *reach < row.len()) else { break };
                for start in 0..row.len() - reach {
                    key.clear();
                    key.extend((0..size).map(|item| row[start + item * distance].clone()));
                    pool.get(&key).copied().into_iter().for_each(&mut seen);
                }
            }
        }
    }

    fn all<T: Hash + Eq + Clone>(
        &self,
        pool: &HashMap<Vec<T>, usize>,
        shape: &[usize],
        values: &[T],
    ) -> TractResult<Tensor> {
        let (rows, items) = match *shape {
            [items] => (1, items),
            [rows, items] => (rows, items),
            _ => bail!("expected rows of items, given shape {shape:?}"),
        };
        let mut out = vec![0f32; rows * self.width];
        for (row, out) in (0..rows).zip(out.chunks_exact_mut(self.width)) {
            self.row(pool, &values[row * items..(row + 1) * items], out);
        }
        let shape: TVec<usize> = shape[..shape.len() - 1].iter().copied().chain([self.width]).collect();
        tensor_of(&shape, out)
    }
}

impl Kernel for TfIdf {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        let mut shape = only(inputs)?.1.clone();
        ensure!(matches!(shape.len(), 1 | 2), "expected rows of items, given {} dimensions", shape.len());
        shape.pop();
        shape.push(self.width.to_dim());
        Ok(tvec![(f32::datum_type(), shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        Ok(tvec![match &self.pool {
            Pool::Ints(pool) => self.all(pool, input.shape(), &numbers::<i64>(input)?)?,
            Pool::Strings(pool) => {
                ensure!(input.datum_type() == String::datum_type(), "expected strings, given {:?}", input.datum_type());
                self.all(pool, input.shape(), slice::<String>(input)?)?
            }
        }])
    }
}

/// Reads the pool: all n-grams of one item, then those of two, and so on, each kind from where `starts` says.
fn grams<T: Hash + Eq + Clone>(items: &[T], starts: &[i64]) -> TractResult<HashMap<Vec<T>, usize>> {
    let mut pool = HashMap::new();
    let mut count = 0;
    for (index, start) in starts.iter().enumerate() {
        let start = usize::try_from(*start)?;
        let end = starts.get(index + 1).map_or(Ok(items.len()), |end| usize::try_from(*end))?;
        let part = items.get(start..end).with_context(|| format!("ngram_counts {starts:?} do not fit the pool"))?;
        ensure!(part.len().is_multiple_of(index + 1), "the pool has no whole number of {}-grams", index + 1);
        for gram in part.chunks_exact(index + 1) {
            pool.insert(gram.to_vec(), count);
            count += 1;
        }
    }
    Ok(pool)
}

/// TfIdfVectorizer.
pub fn tf_idf(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let mode = match attrs::text(node, "mode")?.as_deref() {
        Some("TF") => Mode::Tf,
        Some("IDF") => Mode::Idf,
        Some("TFIDF") => Mode::TfIdf,
        other => bail!("mode {} is not defined", other.unwrap_or("(none)")),
    };
    let size = |name: &str| -> TractResult<usize> {
        let value = attrs::int(node, name).with_context(|| format!("{name} is missing"))?;
        usize::try_from(value).map_err(|_| format_err!("{name} is {value}"))
    };
    let (shortest, longest, skips) = (size("min_gram_length")?, size("max_gram_length")?, size("max_skip_count")?);
    let starts = attrs::ints(node, "ngram_counts");
    ensure!(
        (1..=longest).contains(&shortest) && longest <= starts.len(),
        "min_gram_length {shortest} and max_gram_length {longest} do not fit {} ngram_counts",
        starts.len()
    );
    let columns: Vec<usize> = attrs::ints(node, "ngram_indexes")
        .iter()
        .map(|i| usize::try_from(*i).map_err(|_| format_err!("ngram_indexes holds {i}")))
        .collect::<TractResult<_>>()?;
    let strings = attrs::strings(node, "pool_strings")?;
    let pool = match strings.is_empty() {
        true => Pool::Ints(grams(attrs::ints(node, "pool_int64s"), starts)?),
        false => Pool::Strings(grams(&strings, starts)?),
    };
    let most = match &pool {
        Pool::Ints(pool) => pool.values().max(),
        Pool::Strings(pool) => pool.values().max(),
    };
    ensure!(most.is_some_and(|most| *most < columns.len()), "ngram_indexes has {} entries, too few", columns.len());
    let weights = attrs::floats(node, "weights").to_vec();
    ensure!(
        weights.is_empty() || weights.len() == columns.len(),
        "{} weights for {} n-grams",
        weights.len(),
        columns.len()
    );
    let width = columns.iter().max().map_or(0, |most| most + 1);
    ensure!(width <= 1 << 24, "ngram_indexes asks for {width} columns");
    Ok(Arc::new(TfIdf { pool, columns, weights, mode, shortest, longest, skips, width }))
}
