//! MLflow's own protocol, `/invocations`: its bodies as those of `/score` (reference scoring-and-mlflow §4.3).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::Fault;
use crate::resources::mlmodel::Inputs;

/// The keys of a body, of which it has exactly one.
const FORMS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];

/// The body of `/score` that means the same.
///
/// # Errors
/// 415 for a type that is not taken, 400 for anything else that is wrong.
pub fn hosted(content_type: &str, body: &[u8], signature: &Inputs) -> Result<Vec<u8>, Fault> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let input = match kind.as_str() {
        "text/csv" => csv(body, signature)?,
        "application/json" | "" => from_json(body, signature)?,
        _ => {
            let message = format!("/invocations takes application/json and text/csv, not '{kind}'");
            return Err(Fault { status: 415, message });
        }
    };
    serde_json::to_vec(&json!({"input_data": input})).map_err(|e| Fault::bad(e.to_string()))
}

/// The answer, as MLflow wraps it.
pub fn wrapped(answer: &[u8]) -> Vec<u8> {
    [b"{\"predictions\":", answer, b"}"].concat()
}

/// An error's body.
pub fn error(message: &str) -> Value {
    json!({"error_code": "BAD_REQUEST", "message": message})
}

fn from_json(body: &[u8], signature: &Inputs) -> Result<Value, Fault> {
    let wanted = || {
        let message = "give an object with exactly one of dataframe_split, dataframe_records, instances and inputs";
        Fault::bad(format!("{message} (input_data belongs to /score)"))
    };
    let body: Object<Box<RawValue>> = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(error) if error.is_data() => return Err(wanted()),
        Err(error) => return Err(Fault::json(&error)),
    };
    let mut given = body.0.iter().filter(|(key, _)| FORMS.contains(&key.as_str()));
    let (Some((form, raw)), None) = (given.next(), given.next()) else { return Err(wanted()) };
    let value: Value = serde_json::from_str(raw.get()).map_err(|e| Fault::json(&e))?;
    let records = || records(raw.get());
    match (form.as_str(), value) {
        ("dataframe_split", Value::Object(mut frame)) => {
            frame.entry("index").or_insert_with(|| json!([]));
            Ok(Value::Object(frame))
        }
        ("dataframe_records", Value::Array(_)) => records(),
        ("dataframe_split", _) => Err(Fault::bad("dataframe_split is an object with columns and data")),
        ("dataframe_records", _) => Err(Fault::bad("dataframe_records is a list of objects")),
        (_, Value::Array(rows)) if is_records(&rows) && matches!(signature, Inputs::Columns(_)) => records(),
        (_, Value::Array(rows)) if is_records(&rows) => Ok(stacked(&rows)),
        (_, Value::Object(columns)) if matches!(signature, Inputs::Columns(_)) => by_column(&columns),
        (_, Value::Array(rows)) => match signature {
            Inputs::Tensors(tensors) => match &tensors[..] {
                [tensor] => Ok(tensor.name.as_ref().map_or_else(|| json!(rows), |name| json!({name: rows}))),
                _ => Ok(Value::Array(rows)),
            },
            _ => Ok(Value::Array(rows)),
        },
        (_, value) => Ok(value),
    }
}

fn is_records(rows: &[Value]) -> bool {
    !rows.is_empty() && rows.iter().all(Value::is_object)
}

fn frame(columns: &[&str], data: Vec<Vec<Value>>) -> Value {
    json!({"columns": columns, "index": [], "data": data})
}

/// An object whose order counts.
struct Object<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

/// One object a row, as a frame; a cell that a row lacks is null.
fn records(text: &str) -> Result<Value, Fault> {
    let rows: Vec<Object<Value>> =
        serde_json::from_str(text).map_err(|e| Fault::bad(format!("records are a list of objects: {e}")))?;
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|row| &row.0) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let cell = |row: &Object<Value>, name: &&str| row.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let cells = |row| columns.iter().map(|name| cell(row, name).unwrap_or_default()).collect();
    Ok(frame(&columns, rows.iter().map(cells).collect()))
}

/// One object a row, as tensors by name.
fn stacked(rows: &[Value]) -> Value {
    let mut tensors: Map<String, Value> = Map::new();
    for (name, value) in rows.iter().filter_map(Value::as_object).flatten() {
        if let Value::Array(list) = tensors.entry(name.as_str()).or_insert_with(|| json!([])) {
            list.push(value.clone());
        }
    }
    Value::Object(tensors)
}

/// A list a column, as a frame.
fn by_column(columns: &Map<String, Value>) -> Result<Value, Fault> {
    let lists: Option<Vec<&Vec<Value>>> = columns.values().map(Value::as_array).collect();
    let lists = lists.ok_or_else(|| Fault::bad("inputs by column have a list for each column"))?;
    let rows = lists.first().map_or(0, |list| list.len());
    if lists.iter().any(|list| list.len() != rows) {
        return Err(Fault::bad("the columns differ in length"));
    }
    let names: Vec<&str> = columns.keys().map(String::as_str).collect();
    Ok(frame(&names, (0..rows).map(|row| lists.iter().map(|list| list[row].clone()).collect()).collect()))
}

/// A table with a heading, as a frame. A cell is a number or a truth value where it looks like one and the signature does
/// not call its column a string; an empty one is null.
fn csv(body: &[u8], signature: &Inputs) -> Result<Value, Fault> {
    let text = std::str::from_utf8(body).map_err(|e| Fault::bad(format!("the table is not UTF-8: {e}")))?;
    let mut rows = cells(text).into_iter();
    let Some(columns) = rows.next() else {
        return Err(Fault::bad("the table is empty; its first line names the columns"));
    };
    let is_text = |name: &String| matches!(signature, Inputs::Columns(all) if all.iter().any(|c| c.name == *name && c.kind == "string"));
    let texts: Vec<bool> = columns.iter().map(is_text).collect();
    let mut data = Vec::new();
    for (number, row) in rows.enumerate() {
        if row.len() != columns.len() {
            let (cells, columns) = (row.len(), columns.len());
            return Err(Fault::bad(format!("row {number} of the table has {cells} cells for {columns} columns")));
        }
        data.push(row.into_iter().zip(&texts).map(|(cell, text)| read_cell(cell, *text)).collect());
    }
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    Ok(frame(&names, data))
}

fn read_cell(cell: String, is_text: bool) -> Value {
    match cell.trim() {
        "" => Value::Null,
        _ if is_text => Value::String(cell),
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        number => match (number.parse::<i64>(), number.parse::<f64>()) {
            (Ok(whole), _) => json!(whole),
            (_, Ok(real)) => json!(real),
            _ => Value::String(cell),
        },
    }
}

/// The cells of a table, quoted ones with commas, line ends and doubled quotes inside; empty lines are left out.
fn cells(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let (mut row, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            letter => cell.push(letter),
        }
    }
    row.push(cell);
    rows.push(row);
    rows.retain(|row| row.len() > 1 || row.iter().any(|cell| !cell.is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::mlmodel::{Column, TensorInput};
    use proptest::prelude::*;

    fn read(kind: &str, body: &str, signature: &Inputs) -> Result<Value, Fault> {
        let body = hosted(kind, body.as_bytes(), signature)?;
        Ok(serde_json::from_slice::<Value>(&body).unwrap()["input_data"].take())
    }

    fn columns() -> Inputs {
        let column = |name: &str, kind: &str| Column { name: name.to_owned(), kind: kind.to_owned(), required: true };
        Inputs::Columns(vec![column("a", "double"), column("b", "string")])
    }

    #[test]
    fn every_form_becomes_the_hosted_one() {
        let frame = json!({"columns": ["a", "b"], "index": [], "data": [[1, "x"], [2.5, "7"]]});
        for (kind, body) in [
            (
                "application/json; charset=utf-8",
                r#"{"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2.5, "7"]]}}"#,
            ),
            ("application/json", r#"{"dataframe_records": [{"a": 1, "b": "x"}, {"b": "7", "a": 2.5}], "params": {}}"#),
            ("application/json", r#"{"inputs": {"a": [1, 2.5], "b": ["x", "7"]}}"#),
            ("text/csv", "a,b\n1,x\r\n2.5,\"7\"\n"),
        ] {
            assert_eq!(read(kind, body, &columns()).unwrap(), frame, "{body}");
        }
        let tensor = TensorInput { name: Some("x".to_owned()), dtype: "float32".to_owned(), shape: vec![-1] };
        let named = Inputs::Tensors(vec![tensor]);
        for body in [r#"{"inputs": {"x": [1, 2]}}"#, r#"{"inputs": [1, 2]}"#, r#"{"instances": [{"x": 1}, {"x": 2}]}"#]
        {
            assert_eq!(read("", body, &named).unwrap(), json!({"x": [1, 2]}), "{body}");
        }
        assert_eq!(read("", r#"{"inputs": [[1], [2]]}"#, &Inputs::Unknown).unwrap(), json!([[1], [2]]));
        let records = read("", r#"{"dataframe_records": [{"z": 1, "a": 2}, {"a": 3}]}"#, &Inputs::Unknown).unwrap();
        assert_eq!(records, json!({"columns": ["z", "a"], "index": [], "data": [[1, 2], [null, 3]]}));
    }

    #[test]
    fn other_bodies_are_refused() {
        for body in [
            "",
            "[1]",
            "{}",
            r#"{"input_data": []}"#,
            r#"{"inputs": [], "instances": []}"#,
            r#"{"dataframe_records": [1]}"#,
        ] {
            assert_eq!(read("application/json", body, &columns()).unwrap_err().status, 400, "{body}");
        }
        assert_eq!(read("text/csv", "a,b\n1\n", &columns()).unwrap_err().status, 400);
        assert_eq!(read("text/plain", "a", &columns()).unwrap_err().status, 415);
    }

    #[test]
    fn quotes_in_a_table_hold_commas_lines_and_quotes() {
        let rows = cells("\u{feff}a,b\n\"x, \"\"y\"\"\nz\",\n\n");
        assert_eq!(rows, [vec!["a".to_owned(), "b".to_owned()], vec!["x, \"y\"\nz".to_owned(), String::new()]]);
    }

    proptest! {
        #[test]
        fn any_table_is_read_or_refused(text in "[a-c0-9,\"\r\n .]{0,60}") {
            let _ = hosted("text/csv", text.as_bytes(), &columns());
        }
    }
}
