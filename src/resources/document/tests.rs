use proptest::prelude::*;

use super::*;

const TEXT: &str = "name: blue\nversion: 1.10\nwhen: yes\ncount: 007\nnested:\n  list: [1, two]\n";

fn place(line: u64, column: u64) -> Place {
    Place::File { line, column }
}

fn top<'a>(node: &'a Node) -> Fields<'a> {
    Fields::top("f.yml", node).unwrap()
}

#[test]
fn scalars_keep_how_they_were_written() {
    let node = parse_yaml("f.yml", TEXT).unwrap();
    let mut fields = top(&node);
    assert_eq!(fields.text("version").unwrap().as_deref(), Some("1.10"));
    assert_eq!(fields.text("when").unwrap().as_deref(), Some("yes"));
    assert_eq!(fields.text("count").unwrap().as_deref(), Some("007"));
    assert_eq!(fields.node("name").unwrap().place, place(1, 7));
    let mut nested = fields.map("nested").unwrap().unwrap();
    assert_eq!(nested.list("list")[1].place, place(6, 13));
    nested.finish().unwrap();
}

#[test]
fn an_unknown_key_names_file_line_column_and_the_nearest_key() {
    let node = parse_yaml("f.yml", "name: a\ninstance_conut: 3\n").unwrap();
    let mut fields = top(&node);
    fields.text("name").unwrap();
    fields.count("instance_count").unwrap();
    let error = fields.finish().unwrap_err().to_string();
    assert_eq!(error, "f.yml:2:1: unknown key `instance_conut`: did you mean `instance_count`?");
    let mut fields = top(&node);
    fields.text("name").unwrap();
    let error = fields.finish().unwrap_err().to_string();
    assert_eq!(error, "f.yml:2:1: unknown key `instance_conut`: valid keys are name");
    let error = top(&node).missing("instance_count").to_string();
    assert_eq!(error, "f.yml:2:1: `instance_count` is missing; did you mean it by `instance_conut`?");
}

#[test]
fn a_wrong_type_names_what_was_given_and_what_to_give() {
    let node = parse_yaml("f.yml", "a:\n  n: three\n  b: 1\n  t: [1]\n  c: blu\n").unwrap();
    let mut fields = top(&node);
    let mut a = fields.map("a").unwrap().unwrap();
    for (error, expected) in [
        (a.count("n").unwrap_err(), "f.yml:2:6: `a.n` is the text \"three\": give a whole number, 0 or more"),
        (a.whole("b", 2, 5).unwrap_err(), "f.yml:3:6: `a.b` is 1: give a whole number from 2 to 5"),
        (a.bool("b").unwrap_err(), "f.yml:3:6: `a.b` is 1: give true or false"),
        (a.text("t").unwrap_err(), "f.yml:4:6: `a.t` is a list: give a text"),
        (
            a.choice("c", &[("blue", 1), ("red", 2)]).unwrap_err(),
            "f.yml:5:6: `a.c` is the text \"blu\": did you mean blue?",
        ),
        (fields.texts("a").unwrap_err(), "f.yml:4:6: `a.t` is a list: give a text"),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn broken_yaml_says_where() {
    for (text, line) in
        [("a: [1", 1), ("a: 1\na: 2\n", 2), ("a: 'x\n", 1), ("a:\n\tb: 1", 2), ("a: b: c", 1), ("{a: *x}", 1)]
    {
        let error = parse_yaml("f.yml", text).unwrap_err();
        assert!(matches!(error.place, Place::File { line: l, .. } if l >= line), "{text:?}: {error}");
        assert!(error.to_string().starts_with("f.yml:") && error.message.contains("not valid YAML"), "{error}");
    }
    let error = parse_yaml("f.yml", "name: {{NAME}}\n").unwrap_err().to_string();
    assert!(error.starts_with("f.yml:1:8: ") && error.contains("fill in placeholders"), "{error}");
    assert!(parse_yaml("f.yml", "a: 1\n---\nb: 2\n").is_err(), "one document a file");
    assert!(parse_yaml("f.yml", &"[".repeat(5_000)).is_err());
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n";
    assert!(parse_yaml("f.yml", bomb).is_err(), "entity bombs are refused");
}

#[test]
fn an_empty_file_has_no_keys_and_a_scalar_is_refused() {
    for text in ["", "# nothing\n", "---\n", "null"] {
        let node = parse_yaml("f.yml", text).unwrap();
        assert_eq!(top(&node).missing("name").to_string(), "f.yml: `name` is missing: add it", "{text:?}");
    }
    let node = parse_yaml("f.yml", "just words").unwrap();
    assert!(Fields::top("f.yml", &node).unwrap_err().to_string().contains("the file is the text \"just words\""));
}

#[test]
fn toml_becomes_the_same_tree() {
    let node = parse_toml("c.toml", "a = 1\n[t]\nb = \"x\"\nlist = [true, 2.5]\n").unwrap();
    let mut fields = Fields::top("c.toml", &node).unwrap();
    assert_eq!(fields.count("a"), Ok(Some(1)));
    let mut table = fields.map("t").unwrap().unwrap();
    assert_eq!(table.text("b"), Ok(Some("x".into())));
    assert_eq!(table.list("list")[1].place, place(4, 15));
    assert_eq!(table.finish(), Ok(()));
    let error = parse_toml("c.toml", "a = 1\nb = \n").unwrap_err();
    assert!(error.to_string().starts_with("c.toml:2:"), "{error}");
}

#[test]
fn set_changes_the_tree_and_its_errors_name_the_option() {
    let mut node = parse_yaml("f.yml", TEXT).unwrap();
    for set in ["count=12", "new.a.b=x: y", "nested.list[1]=2", "nested.'nvidia.com/gpu'={a: 1}", "name="] {
        apply_set("f.yml", &mut node, set).unwrap();
    }
    let mut fields = top(&node);
    assert_eq!(fields.count("count"), Ok(Some(12)));
    assert_eq!(fields.text("name"), Ok(None));
    let mut new = fields.map("new").unwrap().unwrap();
    assert_eq!(new.texts("a").unwrap()["b"], "x: y");
    let mut nested = fields.map("nested").unwrap().unwrap();
    assert_eq!(nested.list("list")[1].as_text(), Some("2"));
    assert_eq!(nested.map("nvidia.com/gpu").unwrap().unwrap().count("a"), Ok(Some(1)));
    let error = fields.bool("count").unwrap_err().to_string();
    assert_eq!(error, "--set count=12 (on f.yml): `count` is 12: give true or false");
    for (set, why) in [
        ("count", "no `=`"),
        ("=3", "path is empty"),
        ("a..b=3", "empty"),
        ("a.=3", "ends with a dot"),
        ("nested.list[9]=3", "the list has 2"),
        ("count.x=3", "what holds it is 12"),
        ("count[0]=3", "not a list"),
        ("'a=3", "not closed"),
        ("a[x]=3", "no number"),
    ] {
        let error = apply_set("f.yml", &mut node, set).unwrap_err().to_string();
        assert!(error.contains(why), "{set}: {error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.yml");
    assert!(read_text(&path).unwrap_err().to_string().contains("check the path"));
    std::fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
    assert!(read_text(&path).unwrap_err().to_string().contains("line 2"));
    let endless = read_text(std::path::Path::new("/dev/zero")).unwrap_err().to_string();
    assert_eq!(endless, "/dev/zero: is larger than 4 MiB: is it the right file?");
}

fn outs() -> impl Strategy<Value = Out> {
    let leaf = prop_oneof![
        "\\PC{0,20}".prop_map(Out::Text),
        "[-+0-9.eExXo_:~#&*!|>'\"%@`{}\\[\\], a-fny\\n\\t]{0,8}".prop_map(Out::Text),
        any::<i64>().prop_map(Out::Int),
        any::<bool>().prop_map(Out::Bool),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let map = proptest::collection::btree_map("[a-z0-9_./-]{1,8}", inner.clone(), 1..4);
        prop_oneof![
            proptest::collection::vec(inner, 1..4).prop_map(Out::List),
            map.prop_map(|map| Out::Map(map.into_iter().collect())),
        ]
    })
}

fn same(node: &Node, out: &Out) -> bool {
    match (&node.value, out) {
        (Value::Text(a), Out::Text(b)) => a == b,
        (Value::Int(a, _), Out::Int(b)) => *a == i128::from(*b),
        (Value::Bool(a, _), Out::Bool(b)) => a == b,
        (Value::List(a), Out::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Map(a), Out::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, (key, b))| a.key == *key && same(&a.node, b))
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn no_text_panics(any in "\\PC{0,200}", near in "[a-c:{}\\[\\]*&!|>'\"#%@,?~0-9.\\n\\t -]{0,80}", set in "[a-c.=\\[\\]0-9'\"]{0,20}") {
        for text in [&any, &near] {
            let mut node = parse_yaml("f", text).unwrap_or_default();
            let _ = parse_toml("f", text);
            let _ = apply_set("f", &mut node, &set);
            let _ = apply_set("f", &mut node, text);
            if let Ok(fields) = Fields::top("f", &node) {
                let _ = fields.finish();
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let text = String::from_utf8_lossy(&bytes);
        let mut node = parse_yaml("f", &text).unwrap_or_default();
        let _ = (parse_toml("f", &text), apply_set("f", &mut node, &text));
    }

    #[test]
    fn what_is_set_is_there(path in proptest::collection::vec("[a-z_]{1,8}|\"[a-z./ ]{1,8}\"", 1..5), value in "[a-z][a-z ]{0,10}[a-z]") {
        let mut node = Node::default();
        prop_assume!(!["true", "false", "null", "yes", "no", "on", "off", "nan", "inf"].contains(&value.as_str()));
        apply_set("f", &mut node, &format!("{}={value}", path.join("."))).unwrap();
        let end = path.iter().try_fold(&node, |at, key| match &at.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == key.trim_matches('"')).map(|e| &e.node),
            _ => None,
        });
        prop_assert_eq!(end.map(|node| &node.value), Some(&Value::Text(value)));
    }

    #[test]
    fn what_is_written_is_read_back(out in outs()) {
        let text = out.to_yaml();
        let node = parse_yaml("f", &text);
        prop_assert!(node.as_ref().is_ok_and(|node| same(node, &out)), "{out:?}\n{text}\n{node:?}");
    }
}
