import Glibc
import StrictJSON

/// The data files next to the tests; `make-fixtures.sh` makes them.
enum Fixtures {
    struct Missing: Error { let path: String }

    static func bytes(_ name: String, file: String = #filePath) throws -> [UInt8] {
        let path = file.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Fixtures/" + name
        guard let stream = fopen(path, "rb") else { throw Missing(path: path) }
        defer { fclose(stream) }
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&buffer, 1, buffer.count, stream)
            if count == 0 { return result }
            result += buffer[..<count]
        }
    }

    static func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }
}

func object(_ json: String) throws -> JSONObject { try JSONDocument(parsing: Array(json.utf8)).root.object() }
