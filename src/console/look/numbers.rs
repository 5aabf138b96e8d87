//! Numbers and times as they are shown: three significant digits, thin thousands, `–` for what is not known.

/// A whole number with a space every three digits: `14 208`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits: `0.42`, `1.20`, `12.1`, `812`, `1 240`.
pub fn figure(value: f64) -> String {
    let value = if value.is_finite() { value } else { return "–".into() };
    let size = value.abs();
    if size == 0.0 {
        "0".into()
    } else if size < 9.995 {
        format!("{value:.2}")
    } else if size < 99.95 {
        format!("{value:.1}")
    } else if value < 0.0 {
        format!("-{}", count(size.round() as u64))
    } else {
        count(value.round() as u64)
    }
}

/// A figure, or `–`.
pub fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), figure)
}

/// Requests per second: one decimal below ten, whole above.
pub fn rate(value: f64) -> String {
    if value == 0.0 {
        "0".into()
    } else if value < 9.95 {
        format!("{value:.1}")
    } else {
        count(value.round() as u64)
    }
}

/// A share in percent: `0.0`, `1.9`, `100`; `–` when there is nothing to share.
pub fn percent(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(value) if value >= 99.95 => "100".into(),
        Some(value) if value > 0.0 && value < 0.05 => "<0.1".into(),
        Some(value) => format!("{value:.1}"),
    }
}

/// A size: `412 B`, `1.20 MB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1_000.0 && unit < UNITS.len() - 1 {
        value /= 1_000.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{} {}", figure(value), UNITS[unit]) }
}

/// A span of time: `0.4 s`, `12 s`, `3 m 20 s`, `2 h 5 m`, `3 d`.
pub fn span_ms(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    match seconds {
        _ if ms < 10_000 => format!("{}.{} s", seconds, (ms.max(0) % 1_000) / 100),
        0..60 => format!("{seconds} s"),
        60..3_600 if seconds % 60 == 0 => format!("{} m", seconds / 60),
        60..3_600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// An age at a glance: `5 s`, `12 m`, `3 h`, `2 d`.
pub fn age_ms(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} m", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long something took: `12 ms`, from a second on as a span.
pub fn took_ms(ms: i64) -> String {
    if ms < 1_000 { format!("{} ms", ms.max(0)) } else { span_ms(ms) }
}

/// A span of time in whole minutes, as people say it: `less than a minute`, `1 min`, `5 min`. Rounded up.
pub fn minutes(ms: i64) -> String {
    match ms {
        ..60_000 => "less than a minute".into(),
        _ => format!("{} min", (ms + 59_999) / 60_000),
    }
}

/// A window: `60 s`, `5 m`.
pub fn window(seconds: u32) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} m", seconds / 60) }
}

/// The next step of 1-2-5 at or above a value: axes end there.
pub fn ceil_125(value: f64) -> f64 {
    if value.is_nan() || value <= 0.0 || value.is_infinite() {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .iter()
        .map(|step| step * power)
        .find(|step| *step >= value * 0.999_999)
        .unwrap_or(10.0 * power)
}

/// A label of an axis: as few digits as tell it.
pub fn tick(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{}k", (value / 1_000.0).round())
    } else if value >= 10.0 || value.fract() == 0.0 {
        format!("{}", value.round())
    } else if value >= 0.1 {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').into()
    } else {
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').into()
    }
}
