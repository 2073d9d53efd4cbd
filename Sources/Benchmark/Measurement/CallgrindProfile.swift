/// The output of callgrind (valgrind's profiler): which functions of which program or library were executed.
///
/// "Callgrind Format Specification", valgrind's manual: names are written in full where they first occur, `fn=(7)
/// name`, and by number after that, `fn=(7)`.
public struct CallgrindProfile: Sendable {
    /// Functions with their object, in the order of the file.
    public let functions: [(name: String, object: String)]

    public init(_ text: String) {
        var objects: [Substring: Substring] = [:], names: [Substring: Substring] = [:]
        var object: Substring = ""
        var functions: [(name: String, object: String)] = []
        for line in text.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            let value = line[line.index(after: equals)...]
            switch line[..<equals] {
            case "ob": object = CallgrindProfile.resolve(value, &objects)
            case "cob": _ = CallgrindProfile.resolve(value, &objects)
            case "fn": functions.append((CallgrindProfile.function(CallgrindProfile.resolve(value, &names)), String(object)))
            case "cfn": _ = CallgrindProfile.resolve(value, &names)
            default: break
            }
        }
        self.functions = functions
    }

    /// Names of the functions of one object, each once.
    public func names(in object: String) -> [String] {
        var seen: Set<String> = []
        return functions.compactMap { $0.object == object && seen.insert($0.name).inserted ? $0.name : nil }
    }

    /// `(7) name` or `(7)`.
    private static func resolve(_ value: Substring, _ known: inout [Substring: Substring]) -> Substring {
        guard let end = value.firstIndex(of: ")") else { return value }
        let number = value[...end], name = value[value.index(after: end)...].drop { $0 == " " }
        guard name.isEmpty else {
            known[number] = name
            return name
        }
        return known[number] ?? ""
    }

    /// Without the depth of a recursion, `name'2`.
    private static func function(_ name: Substring) -> String {
        guard let mark = name.lastIndex(of: "'"), mark != name.startIndex else { return String(name) }
        let depth = name[name.index(after: mark)...]
        return String(!depth.isEmpty && depth.allSatisfy(\.isNumber) ? name[..<mark] : name)
    }
}
