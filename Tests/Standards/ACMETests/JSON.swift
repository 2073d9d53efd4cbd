import StrictJSON

/// Parses JSON text as the front end does.
func value(_ json: String) throws -> JSONValue { try JSONDocument(parsing: Array(json.utf8)).root }

func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
