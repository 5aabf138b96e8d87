//! The machine sizes a managed deployment may ask for (reference §12).

/// A machine size: what one instance of a deployment gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InstanceType {
    /// As Azure spells it, e.g. `Standard_DS3_v2`; compares case-insensitively.
    pub name: &'static str,
    /// Quota family, e.g. `standardDSv2Family`.
    pub family: &'static str,
    pub vcpus: u32,
    pub memory_gib: f64,
    /// A share of a GPU for the NVads sizes.
    pub gpus: f64,
    /// Whether Azure leaves out the 20 % reserve for upgrades.
    pub reserve_exempt: bool,
}

impl InstanceType {
    /// Instances that count against the quota for `count` wanted ones: a fifth more, rounded up, unless exempt.
    pub fn reserved(&self, count: u32) -> u32 {
        if self.reserve_exempt { count } else { count.saturating_add(count.div_ceil(5)) }
    }
}

/// What Azure takes when a managed deployment names no size.
pub const DEFAULT: &str = "Standard_F4s_v2";

/// `1 instance`, `3 instances`.
pub fn how_many(count: u32) -> String {
    if count == 1 { "1 instance".into() } else { format!("{count} instances") }
}

/// The size called `name`, in any case.
pub fn lookup(name: &str) -> Option<&'static InstanceType> {
    ALL.iter().find(|size| size.name.eq_ignore_ascii_case(name))
}

/// Every size, grouped by family, small to large.
pub fn all() -> &'static [InstanceType] {
    ALL
}

/// The size whose name is nearest to `name`, for "did you mean".
pub fn nearest(name: &str) -> Option<&'static str> {
    super::nearest::nearest(name, ALL.iter().map(|size| size.name))
}

const fn size(name: &'static str, family: &'static str, vcpus: u32, memory_gib: f64) -> InstanceType {
    InstanceType { name, family, vcpus, memory_gib, gpus: 0.0, reserve_exempt: false }
}

const fn gpu(name: &'static str, family: &'static str, vcpus: u32, memory_gib: f64, gpus: f64) -> InstanceType {
    InstanceType { name, family, vcpus, memory_gib, gpus, reserve_exempt: false }
}

const fn exempt(name: &'static str, family: &'static str, vcpus: u32, memory_gib: f64, gpus: f64) -> InstanceType {
    InstanceType { name, family, vcpus, memory_gib, gpus, reserve_exempt: true }
}

const ALL: &[InstanceType] = &[
    size("Standard_D2as_v4", "standardDASv4Family", 2, 8.0),
    size("Standard_D4as_v4", "standardDASv4Family", 4, 16.0),
    size("Standard_D8as_v4", "standardDASv4Family", 8, 32.0),
    size("Standard_D16as_v4", "standardDASv4Family", 16, 64.0),
    size("Standard_D32as_v4", "standardDASv4Family", 32, 128.0),
    size("Standard_D48as_v4", "standardDASv4Family", 48, 192.0),
    size("Standard_D64as_v4", "standardDASv4Family", 64, 256.0),
    size("Standard_D96as_v4", "standardDASv4Family", 96, 384.0),
    size("Standard_D2a_v4", "standardDAv4Family", 2, 8.0),
    size("Standard_D4a_v4", "standardDAv4Family", 4, 16.0),
    size("Standard_D8a_v4", "standardDAv4Family", 8, 32.0),
    size("Standard_D16a_v4", "standardDAv4Family", 16, 64.0),
    size("Standard_D32a_v4", "standardDAv4Family", 32, 128.0),
    size("Standard_D48a_v4", "standardDAv4Family", 48, 192.0),
    size("Standard_D64a_v4", "standardDAv4Family", 64, 256.0),
    size("Standard_D96a_v4", "standardDAv4Family", 96, 384.0),
    size("Standard_DS1_v2", "standardDSv2Family", 1, 3.5),
    size("Standard_DS2_v2", "standardDSv2Family", 2, 7.0),
    size("Standard_DS3_v2", "standardDSv2Family", 4, 14.0),
    size("Standard_DS4_v2", "standardDSv2Family", 8, 28.0),
    size("Standard_DS5_v2", "standardDSv2Family", 16, 56.0),
    size("Standard_E2s_v3", "standardESv3Family", 2, 16.0),
    size("Standard_E4s_v3", "standardESv3Family", 4, 32.0),
    size("Standard_E8s_v3", "standardESv3Family", 8, 64.0),
    size("Standard_E16s_v3", "standardESv3Family", 16, 128.0),
    size("Standard_E32s_v3", "standardESv3Family", 32, 256.0),
    size("Standard_E48s_v3", "standardESv3Family", 48, 384.0),
    size("Standard_E64s_v3", "standardESv3Family", 64, 432.0),
    size("Standard_F2s_v2", "standardFSv2Family", 2, 4.0),
    size("Standard_F4s_v2", "standardFSv2Family", 4, 8.0),
    size("Standard_F8s_v2", "standardFSv2Family", 8, 16.0),
    size("Standard_F16s_v2", "standardFSv2Family", 16, 32.0),
    size("Standard_F32s_v2", "standardFSv2Family", 32, 64.0),
    size("Standard_F48s_v2", "standardFSv2Family", 48, 96.0),
    size("Standard_F64s_v2", "standardFSv2Family", 64, 128.0),
    size("Standard_F72s_v2", "standardFSv2Family", 72, 144.0),
    size("Standard_FX4mds", "standardFXMDVSFamily", 4, 84.0),
    size("Standard_FX12mds", "standardFXMDVSFamily", 12, 252.0),
    size("Standard_FX24mds", "standardFXMDVSFamily", 24, 504.0),
    size("Standard_FX36mds", "standardFXMDVSFamily", 36, 756.0),
    size("Standard_FX48mds", "standardFXMDVSFamily", 48, 1008.0),
    size("Standard_L8as_v3", "standardLASv3Family", 8, 64.0),
    size("Standard_L16as_v3", "standardLASv3Family", 16, 128.0),
    size("Standard_L32as_v3", "standardLASv3Family", 32, 256.0),
    size("Standard_L48as_v3", "standardLASv3Family", 48, 384.0),
    size("Standard_L64as_v3", "standardLASv3Family", 64, 512.0),
    size("Standard_L80as_v3", "standardLASv3Family", 80, 640.0),
    size("Standard_L8s_v3", "standardLSv3Family", 8, 64.0),
    size("Standard_L16s_v3", "standardLSv3Family", 16, 128.0),
    size("Standard_L32s_v3", "standardLSv3Family", 32, 256.0),
    size("Standard_L48s_v3", "standardLSv3Family", 48, 384.0),
    size("Standard_L64s_v3", "standardLSv3Family", 64, 512.0),
    size("Standard_L80s_v3", "standardLSv3Family", 80, 640.0),
    size("Standard_L8s_v2", "standardLSv2Family", 8, 64.0),
    size("Standard_L16s_v2", "standardLSv2Family", 16, 128.0),
    size("Standard_L32s_v2", "standardLSv2Family", 32, 256.0),
    size("Standard_L48s_v2", "standardLSv2Family", 48, 384.0),
    size("Standard_L64s_v2", "standardLSv2Family", 64, 512.0),
    size("Standard_L80s_v2", "standardLSv2Family", 80, 640.0),
    exempt("Standard_NC24ads_A100_v4", "StandardNCADSA100v4Family", 24, 220.0, 1.0),
    exempt("Standard_NC48ads_A100_v4", "StandardNCADSA100v4Family", 48, 440.0, 2.0),
    exempt("Standard_NC96ads_A100_v4", "StandardNCADSA100v4Family", 96, 880.0, 4.0),
    gpu("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 28.0, 1.0),
    gpu("Standard_NC8as_T4_v3", "Standard NCASv3_T4 Family", 8, 56.0, 1.0),
    gpu("Standard_NC16as_T4_v3", "Standard NCASv3_T4 Family", 16, 110.0, 1.0),
    gpu("Standard_NC64as_T4_v3", "Standard NCASv3_T4 Family", 64, 440.0, 4.0),
    gpu("Standard_NC6s_v2", "standardNCSv2Family", 6, 112.0, 1.0),
    gpu("Standard_NC12s_v2", "standardNCSv2Family", 12, 224.0, 2.0),
    gpu("Standard_NC24s_v2", "standardNCSv2Family", 24, 448.0, 4.0),
    gpu("Standard_NC6s_v3", "standardNCSv3Family", 6, 112.0, 1.0),
    gpu("Standard_NC12s_v3", "standardNCSv3Family", 12, 224.0, 2.0),
    gpu("Standard_NC24s_v3", "standardNCSv3Family", 24, 448.0, 4.0),
    exempt("Standard_NC40ads_H100_v5", "standardNCADSH100v5Family", 40, 320.0, 1.0),
    exempt("Standard_NC80adis_H100_v5", "standardNCADSH100v5Family", 80, 640.0, 2.0),
    exempt("Standard_ND96amsr_A100_v4", "standardNDAMSv4_A100Family", 96, 1900.0, 8.0),
    exempt("Standard_ND96asr_v4", "standardNDASv4_A100Family", 96, 900.0, 8.0),
    exempt("Standard_ND40rs_v2", "standardNDSv2Family", 40, 672.0, 8.0),
    exempt("Standard_ND96is_H100_v5", "standardNDSH100v5Family", 96, 1900.0, 8.0),
    exempt("Standard_ND96isr_H100_v5", "standardNDSH100v5Family", 96, 1900.0, 8.0),
    gpu("Standard_NV6ads_A10_v5", "StandardNVADSA10v5Family", 6, 55.0, 1.0 / 6.0),
    gpu("Standard_NV12ads_A10_v5", "StandardNVADSA10v5Family", 12, 110.0, 1.0 / 3.0),
    gpu("Standard_NV18ads_A10_v5", "StandardNVADSA10v5Family", 18, 220.0, 0.5),
    gpu("Standard_NV36ads_A10_v5", "StandardNVADSA10v5Family", 36, 440.0, 1.0),
    gpu("Standard_NV36adms_A10_v5", "StandardNVADSA10v5Family", 36, 880.0, 1.0),
    gpu("Standard_NV72ads_A10_v5", "StandardNVADSA10v5Family", 72, 880.0, 2.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_found_in_any_case_and_has_the_published_figures() {
        let size = lookup("STANDARD_DS3_V2").unwrap();
        assert_eq!((size.name, size.vcpus, size.memory_gib), ("Standard_DS3_v2", 4, 14.0));
        assert_eq!(lookup("standard_nc4as_t4_v3").unwrap().gpus, 1.0);
        assert!(lookup("Standard_DS3").is_none());
        assert!(lookup(DEFAULT).is_some());
    }

    #[test]
    fn a_mistyped_size_has_a_nearest_one() {
        assert_eq!(nearest("Standard_DS3v2"), Some("Standard_DS3_v2"));
        assert_eq!(nearest("Standart_F4s_v2"), Some("Standard_F4s_v2"));
    }

    #[test]
    fn upgrades_reserve_a_fifth_rounded_up() {
        let size = lookup("Standard_F2s_v2").unwrap();
        assert_eq!([1, 2, 5, 6, 10].map(|n| size.reserved(n)), [2, 3, 6, 8, 12]);
        assert_eq!(lookup("Standard_ND40rs_v2").unwrap().reserved(10), 10);
    }

    #[test]
    fn names_are_unique_and_figures_positive() {
        for (i, size) in all().iter().enumerate() {
            assert!(size.vcpus > 0 && size.memory_gib > 0.0 && size.gpus >= 0.0, "{}", size.name);
            assert!(all()[i + 1..].iter().all(|other| !other.name.eq_ignore_ascii_case(size.name)), "{}", size.name);
        }
    }
}
