//! Whether a run may simply begin: decided once for a stretch of shapes.

use std::sync::atomic::{AtomicU64, Ordering};

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::TDim;

use super::guard::BadValue;
use super::memory::{Budget, Ledger};
use super::plan::{Planned, Shapes};

/// What a session found out about shapes, so that it asks once.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Inputs whose sizes lie between these are possible and take less than half of the budget.
    roomy: Option<(Shapes, Shapes)>,
}

/// How a run may go.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Far below the budget.
    Free,
    /// Near it, or unknown before the values are.
    Watched,
}

impl Verdicts {
    /// Decides on a run; nearly always by looking at the shapes alone.
    ///
    /// # Errors
    /// It would take more than there is ([`OutOfMemory`](crate::server::engine::OutOfMemory)), or the inputs are too small
    /// for the model ([`BadValue`]).
    pub fn of(
        &mut self,
        planned: &Planned,
        budget: &Budget,
        most: &AtomicU64,
        inputs: &[TValue],
    ) -> TractResult<Verdict> {
        if self.roomy.as_ref().is_some_and(|roomy| within(roomy, inputs)) {
            return Ok(Verdict::Free);
        }
        let (Planned { plan, ledger }, room) = (planned, budget.run());
        let shapes: TVec<&[usize]> = inputs.iter().map(|i| i.shape()).collect();
        if let Some((node, size)) = ledger.impossible(&shapes) {
            let name = &plan.model().node(node).name;
            return Err(BadValue(format!("the inputs are too small: '{name}' would have a size of {size}")).into());
        }
        let peak = ledger.peak(&shapes);
        if peak.bytes > room {
            return Err(budget.exceeded(peak.bytes, &plan.model().node(peak.node).name).into());
        }
        most.fetch_max(peak.bytes, Ordering::Relaxed);
        if peak.open || peak.bytes > room / 2 {
            return Ok(Verdict::Watched);
        }
        self.make_room(ledger, room, inputs);
        Ok(Verdict::Free)
    }

    /// Looks how far sizes that are not fixed may change without another look: down to one and up to the next power of
    /// two, together with what was found before if that fits too.
    fn make_room(&mut self, ledger: &Ledger, room: u64, inputs: &[TValue]) {
        if !ledger.monotone {
            return;
        }
        let each = |change: fn(usize) -> usize| -> Shapes {
            let one = |(dim, now): (&TDim, &usize)| if dim.as_i64().is_some() { *now } else { change(*now) };
            let of = |(dims, input): (&Vec<TDim>, &TValue)| dims.iter().zip(input.shape()).map(one).collect();
            ledger.inputs.iter().zip(inputs).map(of).collect()
        };
        let possible = |least: &Shapes| ledger.impossible(&slices(least)).is_none();
        let least = Some(each(|now| now.min(1))).filter(possible).unwrap_or_else(|| each(|now| now));
        let alone = each(usize::next_power_of_two);
        let larger = |(a, b): (&Vec<usize>, &Vec<usize>)| a.iter().zip(b).map(|(a, b)| *a.max(b)).collect::<Vec<_>>();
        let joint: Option<Shapes> = self.roomy.as_ref().map(|(_, most)| most.iter().zip(&alone).map(larger).collect());
        let fits = |most: &Shapes| {
            let peak = ledger.peak(&slices(most));
            !peak.open && peak.bytes <= room / 2
        };
        if let Some(most) = joint.into_iter().chain([alone]).find(fits) {
            self.roomy = Some((least, most));
        }
    }
}

fn slices(shapes: &Shapes) -> Vec<&[usize]> {
    shapes.iter().map(Vec::as_slice).collect()
}

fn within((least, most): &(Shapes, Shapes), inputs: &[TValue]) -> bool {
    let fits = |((least, most), input): ((&Vec<usize>, &Vec<usize>), &TValue)| {
        let shape = input.shape();
        most.len() == shape.len() && (0..shape.len()).all(|i| (least[i]..=most[i]).contains(&shape[i]))
    };
    most.len() == inputs.len() && least.iter().zip(most).zip(inputs).all(fits)
}
