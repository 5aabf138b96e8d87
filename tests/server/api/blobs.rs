//! Uploads and downloads, as the storage SDK does them (reference §6.4).

use reqwest::Method;
use serde_json::json;

use super::house::{House, Reply, md5_of};

async fn put(house: &House, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
    let request = house.client.put(url).header("x-ms-version", "2026-10-06").body(body);
    house.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

fn with(url: &str, query: &str) -> String {
    url.replacen('?', &format!("?{query}&"), 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_once_described_and_read_in_parts() {
    let house = House::open().await;
    let url = house.blob_url("LocalUpload/ab12/model/weights%20%C3%A9.bin", "").await;
    let head = || house.send(house.client.head(&url));
    assert_eq!(head().await.is(404).header("x-ms-error-code"), "BlobNotFound");
    let bytes = b"01234567".to_vec();
    let md5 = md5_of(&bytes);
    let new = [("x-ms-blob-type", "BlockBlob"), ("If-None-Match", "*"), ("Content-MD5", md5.as_str())];
    let wrong = [("x-ms-blob-type", "BlockBlob"), ("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")];
    assert_eq!(put(&house, &url, &wrong, bytes.clone()).await.is(400).header("x-ms-error-code"), "Md5Mismatch");
    head().await.is(404);
    let copy = [("x-ms-blob-type", "BlockBlob"), ("x-ms-copy-source", "https://elsewhere.example/x")];
    assert_eq!(put(&house, &url, &copy, vec![]).await.is(400).header("x-ms-error-code"), "UnsupportedHeader");
    head().await.is(404);
    let made = put(&house, &url, &new, bytes.clone()).await.is(201);
    assert_eq!(made.header("content-md5"), md5);
    assert_eq!(made.header("x-ms-version"), "2026-10-06");
    assert_eq!(made.header("x-ms-request-server-encrypted"), "true");
    assert!(made.headers.contains_key("etag") && made.headers.contains_key("last-modified"));
    let taken = put(&house, &url, &new, b"other".to_vec()).await.is(409);
    assert!(taken.text.contains("<Code>BlobAlreadyExists</Code>"), "{}", taken.text);
    let meta = [("x-ms-meta-upload_status", "completed"), ("x-ms-meta-name", "m"), ("x-ms-meta-version", "1")];
    put(&house, &with(&url, "comp=metadata"), &meta, vec![]).await.is(200);
    let found = head().await.is(200);
    assert_eq!(found.header("x-ms-meta-upload_status"), "completed");
    assert_eq!((found.header("x-ms-blob-type"), found.header("content-length")), ("BlockBlob", "8"));
    put(&house, &with(&url, "comp=metadata"), &[("x-ms-meta-b", "2")], vec![]).await.is(200);
    assert!(!head().await.headers.contains_key("x-ms-meta-name"), "metadata is replaced");
    let range = |range: &str| house.send(house.client.get(&url).header("x-ms-range", range));
    let part = range("bytes=0-33554431").await.is(206);
    assert_eq!((part.header("content-range"), part.text.as_str()), ("bytes 0-7/8", "01234567"));
    assert_eq!(range("bytes=2-4").await.is(206).text, "234");
    assert_eq!(range("bytes=9-").await.is(416).header("x-ms-error-code"), "InvalidRange");
    assert_eq!(house.send(house.client.get(&url)).await.is(200).text, "01234567");
    // Overwriting a half upload comes without If-None-Match, and takes the metadata with it.
    put(&house, &url, &[("x-ms-blob-type", "BlockBlob")], vec![]).await.is(201);
    let found = head().await.is(200);
    assert!(found.header("content-length") == "0" && !found.headers.contains_key("x-ms-meta-b"));
    assert_eq!(range("bytes=0-10").await.is(416).header("x-ms-error-code"), "InvalidRange");
    let file = house.dir.join("assets/azureml-blobstore-local/LocalUpload/ab12/model/weights é.bin");
    assert_eq!(std::fs::read(file).unwrap(), b"", "an uploaded folder is a plain folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_comes_in_blocks_in_parallel() {
    let house = House::open().await;
    let url = house.blob_url("LocalUpload/big/model.bin", "").await;
    let blocks: Vec<Vec<u8>> = (0u8..16).map(|n| vec![n; 300_000]).collect();
    let id = |n: usize| format!("QUJD{n:04}");
    let sent = blocks.iter().enumerate().map(|(n, block)| {
        let url = with(&url, &format!("comp=block&blockid={}", id(n)));
        let (house, block) = (&house, block.clone());
        async move {
            let md5 = md5_of(&block);
            let made = put(house, &url, &[("Content-MD5", &md5)], block).await.is(201);
            assert_eq!(made.header("content-md5"), md5);
        }
    });
    futures_util::future::join_all(sent).await;
    assert_eq!(house.send(house.client.head(&url)).await.status, 404, "nothing is there before the list");
    let list = |ids: &[String]| {
        let latest: String = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
        format!("<?xml version='1.0' encoding='utf-8'?>\n<BlockList>{latest}</BlockList>").into_bytes()
    };
    let url_of_list = with(&url, "comp=blocklist");
    let lost = put(&house, &url_of_list, &[], list(&["bm9wZQ==".into()])).await.is(400);
    assert_eq!(lost.header("x-ms-error-code"), "InvalidBlockList");
    put(&house, &url_of_list, &[], b"<BlockList>".to_vec()).await.is(400);
    let xml = list(&(0..16).map(id).collect::<Vec<_>>());
    let md5 = md5_of(&xml);
    let made = put(&house, &url_of_list, &[("Content-MD5", &md5), ("x-ms-meta-a", "b")], xml).await.is(201);
    assert_eq!(made.header("content-md5"), md5, "that of the list, not of the blob");
    let whole = house.client.get(&url).send().await.unwrap();
    assert_eq!(whole.headers()["x-ms-meta-a"], "b");
    assert_eq!(whole.bytes().await.unwrap(), blocks.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_listed_and_each_upload_of_code_has_its_own() {
    let house = House::open().await;
    let pending = || {
        house.post("/codes/5e5e/versions/1/startPendingUpload", json!({"pendingUploadType": "TemporaryBlobReference"}))
    };
    let (one, two) = (pending().await.is(200).body, pending().await.is(200).body);
    let reference = &one["blobReferenceForConsumption"];
    assert_eq!(reference["credential"]["credentialType"], "SAS");
    assert_ne!(reference["blobUri"], two["blobReferenceForConsumption"]["blobUri"]);
    let sas = reference["credential"]["sasUri"].as_str().unwrap();
    let (container, query) = sas.split_once('?').unwrap();
    for name in ["src/score.py", "src/lib/a&b.py", "src/lib/<x>.py"] {
        let url = format!("{container}/{}?{query}", name.replace('&', "%26").replace('<', "%3C").replace('>', "%3E"));
        put(&house, &url, &[("x-ms-blob-type", "BlockBlob"), ("x-ms-meta-k", "a&b")], b"x".to_vec()).await.is(201);
    }
    let list =
        |more: &str| house.send(house.client.get(format!("{container}?restype=container&comp=list&{query}{more}")));
    let all = list("&prefix=src&include=metadata").await.is(200);
    assert!(all.header("content-type").starts_with("application/xml"));
    assert!(
        all.text.contains("<Name>src/lib/a&amp;b.py</Name>") && all.text.contains("<k>a&amp;b</k>"),
        "{}",
        all.text
    );
    assert_eq!(all.text.matches("<Blob>").count(), 3);
    let top = list("&prefix=src/&delimiter=/").await.is(200);
    assert!(top.text.contains("<BlobPrefix><Name>src/lib/</Name></BlobPrefix>"), "{}", top.text);
    let page = list("&maxresults=2").await.is(200);
    let marker = page.text.split("<NextMarker>").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(list(&format!("&marker={marker}")).await.is(200).text.matches("<Blob>").count(), 1);
    // A signature opens its own container only, and only as it was made.
    let other = two["blobReferenceForConsumption"]["blobUri"].as_str().unwrap();
    let sent = put(&house, &format!("{other}/x?{query}"), &[], b"x".to_vec()).await.is(403);
    assert!(sent.text.contains("AuthenticationFailed"));
    put(&house, &format!("{container}/x?{}", query.replace("se=", "se=9")), &[], vec![]).await.is(403);
    put(&house, &format!("{container}/x?{}", query.replace("sp=racwl", "sp=racwdl")), &[], vec![]).await.is(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_upload_leaves_the_assets_folder() {
    let house = House::open().await;
    let url = house.blob_url("X", "").await;
    // Plain dots the client would take out itself; the unit tests have them.
    for name in [
        "%2e%2e/%2e%2e/evil",
        "a/%2e%2e/%2e%2e/%2e%2e/evil",
        "..%2f..%2fevil",
        "%2fetc%2fevil",
        "a//b",
        "a%00b",
        "a%5cb",
    ] {
        let url = url.replace("/X?", &format!("/{name}?"));
        let reply = put(&house, &url, &[("x-ms-blob-type", "BlockBlob")], b"evil".to_vec()).await;
        assert!((400..=404).contains(&reply.status), "{name}: {} {}", reply.status, reply.text);
    }
    fn files(dir: &std::path::Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p.display().to_string()] }).collect()
    }
    assert!(!files(&house.dir).iter().any(|f| f.contains("evil")), "nothing was written");
    for path in ["/blob/other/c/x", "/blob/local", "/blob/local/../x"] {
        let reply = house.send(house.request(Method::PUT, path)).await;
        assert!((400..=404).contains(&reply.status), "{path}");
    }
    // A file where a folder is wanted, and the other way round.
    let block = [("x-ms-blob-type", "BlockBlob")];
    put(&house, &url.replace("/X?", "/dir/file?"), &block, b"1".to_vec()).await.is(201);
    put(&house, &url.replace("/X?", "/dir/file/under?"), &block, b"1".to_vec()).await.is(409);
    put(&house, &url.replace("/X?", "/dir?"), &block, b"1".to_vec()).await.is(409);
}
