//! Lists of blobs and lists of blocks, in Azure Storage's XML.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quick_xml::escape::escape;
use quick_xml::events::Event;

use super::files::{Meta, read_meta};
use super::layout::Assets;
use crate::server::api::answer::is_xml_char;
use crate::server::api::fault::Fault;

/// What to list.
#[derive(Debug, Default)]
pub struct Query {
    pub prefix: String,
    pub delimiter: String,
    pub metadata: bool,
    pub marker: String,
    /// At most so many entries; 5 000 unless told.
    pub max_results: usize,
}

/// One line of a list.
enum Entry {
    Blob(String),
    Prefix(String),
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Blob(name) | Self::Prefix(name) => name,
        }
    }
}

/// The list of a container as `EnumerationResults`. Names are in byte order.
pub fn container(assets: &Assets, container: &str, query: &Query) -> Result<String, Fault> {
    let root = assets.container(container).map_err(super::files::bad_name)?;
    let mut names = Vec::new();
    // Only the folder that every match must be in is read.
    let folder = query.prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let start = if folder.is_empty() {
        root.clone()
    } else {
        match assets.blob(container, folder) {
            Ok(path) => path,
            Err(_) => return Ok(render(container, query, &[], None, |_| None)),
        }
    };
    walk(&start, folder, &mut names).map_err(|e| super::files::disk(&e, assets.root()))?;
    names.retain(|name| name.starts_with(&query.prefix));
    names.sort_unstable();
    let mut entries: Vec<Entry> = Vec::new();
    for name in names {
        let cut = (!query.delimiter.is_empty())
            .then(|| name[query.prefix.len()..].find(&query.delimiter))
            .flatten()
            .map(|at| query.prefix.len() + at + query.delimiter.len());
        match cut {
            Some(end) => {
                if entries.last().is_none_or(|last| last.name() != &name[..end]) {
                    entries.push(Entry::Prefix(name[..end].to_owned()));
                }
            }
            None => entries.push(Entry::Blob(name)),
        }
    }
    let after = URL_SAFE_NO_PAD.decode(&query.marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some(after) = after.filter(|after| !after.is_empty()) {
        entries.retain(|entry| entry.name() > after.as_str());
    }
    let limit = if query.max_results == 0 { 5_000 } else { query.max_results.min(5_000) };
    let next = (entries.len() > limit).then(|| URL_SAFE_NO_PAD.encode(entries[limit - 1].name()));
    entries.truncate(limit);
    let look = |name: &str| {
        let found = fs::metadata(assets.blob(container, name).ok()?).ok()?;
        let meta = read_meta(assets, container, name, &found);
        Some((found.len(), meta))
    };
    Ok(render(container, query, &entries, next, look))
}

fn walk(folder: &Path, name: &str, names: &mut Vec<String>) -> std::io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let Ok(part) = entry.file_name().into_string() else { continue };
        let inner = if name.is_empty() { part } else { format!("{name}/{part}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &inner, names)?;
        } else if kind.is_file() {
            names.push(inner);
        }
    }
    Ok(())
}

fn render(
    container: &str,
    query: &Query,
    entries: &[Entry],
    next: Option<String>,
    look: impl Fn(&str) -> Option<(u64, Meta)>,
) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"{}\">{}{}",
        escape(container),
        element("Prefix", &query.prefix),
        element("Marker", &query.marker)
    );
    if !query.delimiter.is_empty() {
        xml.push_str(&element("Delimiter", &query.delimiter));
    }
    xml.push_str("<Blobs>");
    for entry in entries {
        match entry {
            Entry::Prefix(name) => {
                // Writing to a String cannot fail.
                let _ = write!(xml, "<BlobPrefix>{}</BlobPrefix>", element("Name", name));
            }
            Entry::Blob(name) => {
                if let Some((len, meta)) = look(name) {
                    blob(&mut xml, name, len, &meta, query.metadata);
                }
            }
        }
    }
    let _ = write!(xml, "</Blobs><NextMarker>{}</NextMarker></EnumerationResults>", next.unwrap_or_default());
    xml
}

fn blob(xml: &mut String, name: &str, len: u64, meta: &Meta, metadata: bool) {
    let _ = write!(
        xml,
        "<Blob>{}<Properties><Last-Modified>{}</Last-Modified><Etag>{}</Etag><Content-Length>{len}</Content-Length><Content-Type>{}</Content-Type><Content-MD5>{}</Content-MD5><BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties>",
        element("Name", name),
        http_date(meta.modified_s),
        escape(meta.etag.trim_matches('"')),
        escape(meta.content_type.as_str()),
        escape(meta.md5.as_str()),
    );
    if metadata {
        xml.push_str("<Metadata>");
        for (name, value) in meta.metadata.iter().filter(|(name, _)| is_xml_name(name)) {
            xml.push_str(&element(name, value));
        }
        xml.push_str("</Metadata>");
    }
    xml.push_str("</Blob>");
}

/// An element with text. What XML cannot carry is percent-encoded and marked so, as Azure Storage does.
fn element(name: &str, text: &str) -> String {
    if text.chars().all(is_xml_char) {
        return format!("<{name}>{}</{name}>", escape(text));
    }
    let text = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    format!("<{name} Encoded=\"true\">{text}</{name}>")
}

fn is_xml_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// A date as HTTP writes it.
pub fn http_date(unix_s: i64) -> String {
    let time = jiff::Timestamp::from_second(unix_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
}

/// The ids of a `BlockList`, in order.
pub fn parse_blocks(xml: &[u8]) -> Result<Vec<String>, Fault> {
    let wrong = |why: String| {
        Fault::bad(
            "InvalidXmlDocument",
            format!("The block list is not right: {why}. Send <BlockList><Latest>id</Latest>…</BlockList>."),
        )
    };
    let text = std::str::from_utf8(xml).map_err(|e| wrong(e.to_string()))?;
    let mut reader = quick_xml::Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().trim_text(true);
    let (mut ids, mut depth, mut root, mut id) = (Vec::new(), 0usize, false, String::new());
    loop {
        match reader.read_event().map_err(|e| wrong(e.to_string()))? {
            Event::Start(tag) => {
                let known: &[&str] = if depth == 0 { &["BlockList"] } else { &["Latest", "Uncommitted", "Committed"] };
                if depth > 1 || !known.contains(&tag.name().as_ref()) {
                    return Err(wrong(format!("unexpected <{}>", tag.name().as_ref())));
                }
                root = true;
                depth += 1;
                id.clear();
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 1 {
                    ids.push(std::mem::take(&mut id));
                }
            }
            Event::Text(part) if depth == 2 => id.push_str(&part),
            Event::Empty(tag) if depth == 0 && tag.name().as_ref() == "BlockList" => root = true,
            Event::Empty(_) => return Err(wrong("a block without an id".into())),
            Event::Eof if root && depth == 0 => return Ok(ids),
            Event::Eof => return Err(wrong("it ends too early".into())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn store(names: &[&str]) -> (tempfile::TempDir, Assets) {
        let dir = tempfile::tempdir().unwrap();
        let assets = Assets::new(dir.path());
        for name in names {
            let path = assets.blob("c0de", name).unwrap();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        (dir, assets)
    }

    fn names(xml: &str) -> Vec<String> {
        xml.split("<Name>").skip(1).filter_map(|part| part.split("</Name>").next().map(str::to_owned)).collect()
    }

    #[test]
    fn lists_follow_prefix_and_delimiter() {
        let (_dir, assets) = store(&["m/a.txt", "m/sub/b.txt", "m/sub/c.txt", "n/d.txt", "m0"]);
        let list = |prefix: &str, delimiter: &str| {
            let query = Query { prefix: prefix.into(), delimiter: delimiter.into(), ..Query::default() };
            names(&container(&assets, "c0de", &query).unwrap())
        };
        assert_eq!(list("", ""), ["m/a.txt", "m/sub/b.txt", "m/sub/c.txt", "m0", "n/d.txt"]);
        assert_eq!(list("m/", "/"), ["m/a.txt", "m/sub/"]);
        assert_eq!(list("m", "/"), ["m/", "m0"]);
        assert!(list("../", "").is_empty());
        assert!(list("nothing/here", "").is_empty());
    }

    #[test]
    fn what_xml_cannot_carry_is_encoded() {
        let (_dir, assets) = store(&["a"]);
        let query = Query {
            prefix: "a\u{0}<b".into(),
            marker: "\u{1b}[2J".into(),
            delimiter: "\u{ffff}".into(),
            ..Query::default()
        };
        let xml = container(&assets, "c0de", &query).unwrap();
        assert!(xml.chars().all(is_xml_char), "{xml:?}");
        assert!(xml.contains("<Prefix Encoded=\"true\">a%00%3Cb</Prefix>"), "{xml}");
        assert!(xml.contains("<Marker Encoded=\"true\">%1B%5B2J</Marker>"), "{xml}");
        assert_eq!(element("Name", "a b&\t"), "<Name>a b&amp;\t</Name>");
    }

    #[test]
    fn long_lists_come_in_pages() {
        let (_dir, assets) = store(&["a", "b", "c", "d", "e"]);
        let mut query = Query { max_results: 2, ..Query::default() };
        let mut all = Vec::new();
        loop {
            let xml = container(&assets, "c0de", &query).unwrap();
            all.extend(names(&xml));
            query.marker = xml.split("<NextMarker>").nth(1).unwrap().split('<').next().unwrap().to_owned();
            if query.marker.is_empty() {
                break;
            }
        }
        assert_eq!(all, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn block_lists_are_read_in_order() {
        let xml = "<?xml version='1.0' encoding='utf-8'?>\n<BlockList><Latest>QQ==</Latest><Uncommitted>Qg==</Uncommitted></BlockList>";
        assert_eq!(parse_blocks(xml.as_bytes()).unwrap(), ["QQ==", "Qg=="]);
        assert!(parse_blocks(b"<BlockList/>").unwrap().is_empty());
        for wrong in [
            "",
            "<BlockList>",
            "<Other/>",
            "<BlockList><Latest/></BlockList>",
            "<BlockList><Latest><x/></Latest></BlockList>",
            "x",
        ] {
            assert!(parse_blocks(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_block_list_panics(xml in prop::collection::vec(prop_oneof![
            Just("<BlockList>"), Just("</BlockList>"), Just("<Latest>"), Just("</Latest>"), Just("<!--"), Just("&amp;"), Just("&x;"),
            Just("QQ=="), Just("<Latest/>"), Just("<![CDATA["), Just("\u{0}"), Just("é")], 0..12)) {
            let _ = parse_blocks(xml.concat().as_bytes());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse_blocks(&bytes);
        }

        #[test]
        fn ids_are_read_back(ids in prop::collection::vec("[A-Za-z0-9+/]{1,20}={0,2}", 0..8)) {
            let blocks: String = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
            prop_assert_eq!(parse_blocks(format!("<BlockList>{blocks}</BlockList>").as_bytes()).unwrap(), ids);
        }

        #[test]
        fn no_prefix_or_marker_panics(prefix in ".{0,20}", delimiter in ".{0,2}", marker in ".{0,12}") {
            let (_dir, assets) = store(&["é/ü", "a/b"]);
            let query = Query { prefix, delimiter, marker, ..Query::default() };
            let xml = container(&assets, "c0de", &query);
            prop_assert!(xml.is_ok_and(|xml| xml.chars().all(is_xml_char)));
        }
    }
}
