//! The state of the processor's wide registers.

/// Clears the upper halves of the wide registers. tract's kernels leave them in use, and then every instruction that knows
/// the lower halves alone, as in our own code and in the mathematics library, waits for them: ten times as long was seen.
#[inline]
pub fn clear() {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: the processor was just asked and has the instruction, which touches nothing but those upper halves; by the
        // calling convention they hold nothing across a call.
        unsafe { std::arch::x86_64::_mm256_zeroupper() }
    }
}
