//! Lists in pages: `count` is the size of a page, `$top` the size of the whole list (reference §1.6).

use super::call::Call;
use super::fault::Fault;
use crate::resources::Page;

/// Entries in a page unless the caller asks for fewer.
const PAGE: usize = 500;

/// The page of `all` that `call` asks for, with the link to the next one.
pub fn page<T>(base: &str, call: &Call, mut all: Vec<T>) -> Result<Page<T>, Fault> {
    if let Some(top) = call.query.number::<usize>("$top")? {
        all.truncate(top);
    }
    let count = call.query.number::<usize>("count")?.filter(|n| *n > 0).unwrap_or(PAGE).min(PAGE);
    let skip = call.query.number::<usize>("$skip")?.unwrap_or(0);
    let rest = all.len().saturating_sub(skip.saturating_add(count));
    let next_link = (rest > 0)
        .then(|| format!("{base}{}?{}", call.path, call.query.with("$skip", &skip.saturating_add(count).to_string())));
    Ok(Page { value: all.into_iter().skip(skip).take(count).collect(), next_link })
}

impl<T> Page<T> {
    /// The same page of something else: only what is answered is worked out.
    pub fn try_map<U>(self, turn: impl FnMut(T) -> Result<U, Fault>) -> Result<Page<U>, Fault> {
        let value = self.value.into_iter().map(turn).collect::<Result<_, _>>()?;
        Ok(Page { value, next_link: self.next_link })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    fn get(uri: &str) -> Page<u32> {
        let call = Call::new(&Method::GET, &uri.parse().unwrap(), &HeaderMap::new());
        page("https://h", &call, (0..1_250).collect()).unwrap()
    }

    #[test]
    fn following_the_links_gives_everything_once() {
        let (mut uri, mut all) = ("/list?api-version=1&count=60".to_owned(), Vec::new());
        loop {
            let page = get(&uri);
            assert!(page.value.len() <= 60);
            all.extend(page.value);
            match page.next_link {
                Some(link) => uri = link.strip_prefix("https://h").unwrap().to_owned(),
                None => break,
            }
        }
        assert_eq!(all, (0..1_250).collect::<Vec<_>>());
    }

    #[test]
    fn top_limits_the_whole_list() {
        let page = get("/list?$top=1");
        assert_eq!((page.value, page.next_link), (vec![0], None));
        assert_eq!(get("/list?$skip=18446744073709551615").value, Vec::<u32>::new());
        assert_eq!(get("/list").value.len(), 500);
    }
}
