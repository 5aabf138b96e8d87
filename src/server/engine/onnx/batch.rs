//! Requests that wait at the same instance, run as one.
//!
//! Whoever comes while a core is free begins at once; whoever comes meanwhile waits, and the one that begins next takes
//! along all who wait and fit. Nobody ever waits for more to come. When the joint run fails, each runs alone, so that one
//! bad request is nobody else's error; and the first joint runs are compared with single ones, since a model may mix its
//! rows.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tract_onnx::prelude::*;

use super::memory::Budget;
use super::model::{Core, OnnxModel, Run, RunError};

/// Joint runs that are compared with single ones before they are trusted.
const PROOFS: u32 = 3;
/// A run that takes longer may never come back: whoever starts anew shares nothing with it.
const STUCK: Duration = Duration::from_secs(10);

type Outcome = Result<TVec<TValue>, RunError>;
type Panic = Box<dyn std::any::Any + Send>;

/// What becomes of one who waits.
enum Turn {
    Done(Result<Outcome, Panic>),
    /// It is its turn to run, with the state to do it.
    Run(Box<dyn Run>),
}

struct Slot {
    inputs: TVec<TValue>,
    turn: Mutex<Option<Turn>>,
    told: Condvar,
}

impl Slot {
    fn tell(&self, turn: Turn) {
        *lock(&self.turn) = Some(turn);
        self.told.notify_one();
    }

    fn wait(&self) -> Turn {
        let mut turn = lock(&self.turn);
        loop {
            match turn.take() {
                Some(turn) => return turn,
                None => turn = self.told.wait(turn).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Rows of the request: the size that all inputs begin with.
    fn rows(&self) -> Option<usize> {
        let rows = *self.inputs.first()?.shape().first()?;
        (rows > 0 && self.inputs.iter().all(|i| i.shape().first() == Some(&rows))).then_some(rows)
    }

    fn fits(&self, other: &Self) -> bool {
        let same = |(a, b): (&TValue, &TValue)| a.shape().get(1..) == b.shape().get(1..);
        other.rows().is_some() && self.inputs.iter().zip(&other.inputs).all(same)
    }
}

struct State {
    /// Running states that nobody uses: as many run at the same time as there are.
    free: Vec<Box<dyn Run>>,
    since: Instant,
    waiting: VecDeque<Arc<Slot>>,
    /// Joint runs found right so far.
    proved: u32,
    /// Rows depend on each other: nothing is joined any more.
    off: bool,
}

/// The meeting place of one instance's requests.
pub struct Joint {
    core: Arc<dyn Core>,
    budget: Option<Budget>,
    peak: Arc<AtomicU64>,
    most: usize,
    state: Mutex<State>,
    /// Requests that were run together with others.
    joined: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a model's requests can be joined: all inputs and outputs begin with an open dimension, and one plan serves all
/// its sizes.
pub fn is_possible(model: &OnnxModel) -> bool {
    let open = |shape: &Option<Vec<i64>>| shape.as_ref().is_some_and(|s| s.first().is_some_and(|d| *d < 0));
    model.core.is_symbolic()
        && !model.inputs.is_empty()
        && model.inputs.iter().all(|i| open(&i.shape))
        && model.outputs.iter().all(|o| open(&o.spec.shape))
}

impl Joint {
    /// `most` requests are joined at most.
    pub fn new(model: &OnnxModel, budget: Option<Budget>, most: usize) -> Result<Arc<Self>, RunError> {
        // No more run at the same time than there are cores: those share the instance's memory.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = budget.map_or(cores, |budget| cores.min(budget.sharers as usize)).max(1);
        let budget = budget.map(|budget| Budget { sharers: u32::try_from(lanes).unwrap_or(u32::MAX), ..budget });
        let (core, peak) = (Arc::clone(&model.core), Arc::clone(&model.peak));
        let free = (0..lanes).map(|_| Arc::clone(&core).session(budget, Arc::clone(&peak)));
        let free = free.collect::<Result<_, _>>()?;
        let state = State { free, since: Instant::now(), waiting: VecDeque::new(), proved: 0, off: false };
        Ok(Arc::new(Self { core, budget, peak, most, state: Mutex::new(state), joined: AtomicU64::new(0) }))
    }

    /// All have been running for so long that nobody should count on them.
    pub fn is_stuck(&self) -> bool {
        let state = lock(&self.state);
        state.free.is_empty() && state.since.elapsed() > STUCK
    }

    /// Requests so far that were run together with others.
    #[cfg(test)]
    pub fn joined(&self) -> u64 {
        self.joined.load(Ordering::Relaxed)
    }

    fn submit(&self, inputs: TVec<TValue>) -> Outcome {
        let slot = Arc::new(Slot { inputs, turn: Mutex::new(None), told: Condvar::new() });
        let run = {
            let mut state = lock(&self.state);
            let run = state.free.pop();
            match run {
                Some(_) => state.since = Instant::now(),
                None => state.waiting.push_back(Arc::clone(&slot)),
            }
            run
        };
        let turn = run.map_or_else(|| slot.wait(), Turn::Run);
        let outcome = match turn {
            Turn::Done(outcome) => outcome,
            Turn::Run(run) => self.lead(run, &slot),
        };
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Runs this request and those who wait and fit, then hands the state on.
    fn lead(&self, mut run: Box<dyn Run>, own: &Arc<Slot>) -> Result<Outcome, Panic> {
        let (others, proved) = self.company(own);
        let mut all: Vec<&Arc<Slot>> = vec![own];
        all.extend(&others);
        let mut outcomes: Option<Vec<Result<Outcome, Panic>>> = None;
        if all.len() > 1
            && let Ok(Ok(parts)) = catch_unwind(AssertUnwindSafe(|| together(run.as_mut(), &all)))
        {
            self.joined.fetch_add(all.len() as u64, Ordering::Relaxed);
            if proved >= PROOFS {
                outcomes = Some(parts.into_iter().map(|part| Ok(Ok(part))).collect());
            } else {
                let single = self.single(&mut run, &all);
                let right = single.iter().zip(&parts).all(|(one, part)| matches!(one, Ok(Ok(one)) if same(one, part)));
                let mut state = lock(&self.state);
                state.proved += 1;
                state.off |= !right;
                outcomes = Some(single);
            }
        }
        let mut outcomes = outcomes.unwrap_or_else(|| self.single(&mut run, &all)).into_iter();
        let mine = outcomes.next();
        for (slot, outcome) in others.iter().zip(outcomes) {
            slot.tell(Turn::Done(outcome));
        }
        self.hand_on(run);
        mine.unwrap_or_else(|| Ok(Err(RunError::Model("the run gave no answer".to_owned()))))
    }

    /// Those who wait and fit, in their order.
    fn company(&self, own: &Slot) -> (Vec<Arc<Slot>>, u32) {
        let mut state = lock(&self.state);
        if state.off || own.rows().is_none() {
            return (Vec::new(), state.proved);
        }
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        for slot in std::mem::take(&mut state.waiting) {
            if taken.len() + 1 < self.most && own.fits(&slot) {
                taken.push(slot);
            } else {
                left.push_back(slot);
            }
        }
        state.waiting = left;
        (taken, state.proved)
    }

    /// Each by itself. After a panic the state is made anew: what it left behind is anybody's guess.
    fn single(&self, run: &mut Box<dyn Run>, slots: &[&Arc<Slot>]) -> Vec<Result<Outcome, Panic>> {
        let one = |slot: &&Arc<Slot>| {
            let outcome = catch_unwind(AssertUnwindSafe(|| run.run(slot.inputs.clone())));
            if outcome.is_err()
                && let Ok(fresh) = Arc::clone(&self.core).session(self.budget, Arc::clone(&self.peak))
            {
                *run = fresh;
            }
            outcome
        };
        slots.iter().map(one).collect()
    }

    fn hand_on(&self, run: Box<dyn Run>) {
        let mut state = lock(&self.state);
        state.since = Instant::now();
        match state.waiting.pop_front() {
            Some(next) => next.tell(Turn::Run(run)),
            None => state.free.push(run),
        }
    }
}

/// One run of all rows, and its outputs cut apart again.
fn together(run: &mut dyn Run, slots: &[&Arc<Slot>]) -> TractResult<Vec<TVec<TValue>>> {
    let rows: Vec<usize> = slots.iter().filter_map(|slot| slot.rows()).collect();
    let count = slots[0].inputs.len();
    let input = |index: usize| {
        let parts: Vec<&Tensor> = slots.iter().map(|slot| &*slot.inputs[index]).collect();
        Ok(Tensor::stack_tensors(0, &parts)?.into_tvalue())
    };
    let inputs = (0..count).map(input).collect::<TractResult<TVec<TValue>>>()?;
    let outputs = run.run(inputs)?;
    let total: usize = rows.iter().sum();
    let whole = outputs.iter().all(|output| output.shape().first() == Some(&total));
    tract_onnx::tract_hir::internal::ensure!(whole, "an output has other rows than the inputs");
    let mut start = 0;
    rows.into_iter()
        .map(|rows| {
            let part = |output: &TValue| Ok(output.slice(0, start, start + rows)?.into_tvalue());
            let parts = outputs.iter().map(part).collect::<TractResult<TVec<TValue>>>()?;
            start += rows;
            Ok(parts)
        })
        .collect()
}

/// Whether two answers are one but for rounding.
fn same(a: &TVec<TValue>, b: &TVec<TValue>) -> bool {
    let pair = |(a, b): (&TValue, &TValue)| {
        let is_float = a.datum_type().is_float();
        if is_float {
            a.close_enough(b, tract_onnx::tract_hir::internal::Approximation::Approximate).is_ok()
        } else {
            **a == **b
        }
    };
    a.len() == b.len() && a.iter().zip(b).all(pair)
}

/// One thread's way to the meeting place.
pub struct Member(pub Arc<Joint>);

impl Run for Member {
    fn run(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError> {
        self.0.submit(inputs)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// Doubles its input; a row of `7` fails the whole run, one of `13` panics. `mixes`: adds the number of rows.
    struct Doubles {
        mixes: bool,
        gate: Arc<Barrier>,
    }

    impl Core for Doubles {
        fn is_bounded(&self) -> bool {
            false
        }
        fn is_symbolic(&self) -> bool {
            true
        }
        fn weights(&self) -> u64 {
            0
        }
        fn smallest_peak(&self) -> u64 {
            0
        }
        fn session(self: Arc<Self>, _: Option<Budget>, _: Arc<AtomicU64>) -> Result<Box<dyn Run>, RunError> {
            Ok(Box::new(Doubling(self)))
        }
    }

    struct Doubling(Arc<Doubles>);

    impl Run for Doubling {
        fn run(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError> {
            let values = inputs[0].to_plain_array_view::<f32>().unwrap();
            if values.iter().any(|v| *v == -1.0) {
                // The first: it holds the place until all others wait.
                self.0.gate.wait();
            }
            if values.iter().any(|v| *v == 7.0) {
                return Err(RunError::Values("seven".to_owned()));
            }
            assert!(!values.iter().any(|v| *v == 13.0), "thirteen");
            let more = if self.0.mixes { values.shape()[0] as f32 } else { 0.0 };
            Ok(tvec![values.map(|v| v * 2.0 + more).into_tensor().into_tvalue()])
        }
    }

    fn request(values: &[f32]) -> TVec<TValue> {
        tvec![Tensor::from_shape(&[values.len() / 2, 2], values).unwrap().into_tvalue()]
    }

    /// What becomes of the requests that wait while another runs, in order.
    fn meet(mixes: bool, waiting: &[&[f32]]) -> (Vec<Result<Vec<f32>, String>>, Arc<Joint>) {
        let gate = Arc::new(Barrier::new(2));
        let core: Arc<dyn Core> = Arc::new(Doubles { mixes, gate: Arc::clone(&gate) });
        let run = Arc::clone(&core).session(None, Arc::default()).unwrap();
        let state = State { free: vec![run], since: Instant::now(), waiting: VecDeque::new(), proved: 0, off: false };
        let joint = Arc::new(Joint {
            core,
            budget: None,
            peak: Arc::default(),
            most: 16,
            state: Mutex::new(state),
            joined: AtomicU64::new(0),
        });
        let answers = std::thread::scope(|scope| {
            let first = scope.spawn(|| joint.submit(request(&[-1.0, 0.0])).map(drop));
            while !lock(&joint.state).free.is_empty() {
                std::thread::yield_now();
            }
            let others: Vec<_> = waiting
                .iter()
                .enumerate()
                .map(|(index, values)| {
                    let joint = &joint;
                    let work = move || {
                        catch_unwind(AssertUnwindSafe(|| joint.submit(request(values))))
                            .unwrap_or_else(|_| Err(RunError::Model("panicked".to_owned())))
                    };
                    let handle = scope.spawn(work);
                    while lock(&joint.state).waiting.len() <= index {
                        std::thread::yield_now();
                    }
                    handle
                })
                .collect();
            gate.wait();
            first.join().unwrap().unwrap();
            let text = |outcome: Outcome| {
                let outputs = outcome.map_err(|e| e.to_string())?;
                Ok(outputs[0].to_plain_array_view::<f32>().unwrap().iter().copied().collect())
            };
            others.into_iter().map(|handle| text(handle.join().unwrap())).collect()
        });
        (answers, joint)
    }

    #[test]
    fn those_who_wait_run_as_one_and_get_their_own_rows() {
        let (answers, joint) = meet(false, &[&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], &[8.0, 9.0]]);
        assert_eq!(answers, [Ok(vec![2.0, 4.0]), Ok(vec![6.0, 8.0, 10.0, 12.0]), Ok(vec![16.0, 18.0])]);
        let state = lock(&joint.state);
        assert_eq!((joint.joined(), state.proved, state.off), (3, 1, false));
    }

    #[test]
    fn one_bad_request_is_nobody_elses_error() {
        let (answers, _) = meet(false, &[&[1.0, 2.0], &[7.0, 0.0], &[3.0, 4.0]]);
        assert_eq!((answers[0].clone(), answers[2].clone()), (Ok(vec![2.0, 4.0]), Ok(vec![6.0, 8.0])));
        assert!(answers[1].as_ref().unwrap_err().contains("seven"));
        let (answers, joint) = meet(false, &[&[13.0, 2.0], &[3.0, 4.0]]);
        assert_eq!(answers, [Err("the model failed: panicked".to_owned()), Ok(vec![6.0, 8.0])]);
        // And the place is free again.
        assert!(joint.submit(request(&[5.0, 5.0])).is_ok() && !joint.is_stuck());
    }

    #[test]
    fn a_model_that_mixes_its_rows_is_found_out_before_anybody_gets_a_wrong_answer() {
        let (answers, joint) = meet(true, &[&[1.0, 2.0], &[3.0, 4.0]]);
        assert_eq!(answers, [Ok(vec![3.0, 5.0]), Ok(vec![7.0, 9.0])]);
        assert!(lock(&joint.state).off);
    }
}
