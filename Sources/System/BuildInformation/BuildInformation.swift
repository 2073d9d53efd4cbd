import CLinux

/// What a program was built from, as `--version --json` prints it: to compare an installed program with a release's
/// SBOM, or with an advisory for a dependency.
public struct BuildInformation: Sendable {
    /// The version of all programs (Semantic Versioning 2.0.0).
    public static let version = "0.1.0"

    /// The commit's id in hexadecimal, with `-modified` at the end if a file differed from it; `nil` if not known.
    public var commit: String?
    /// The time of the commit (RFC 3339); `nil` if not known.
    public var date: String?
    /// The Swift compiler; `nil` if not known.
    public var compiler: String?
    /// The Swift packages with their versions, in the order of their names; `nil` if not known.
    public var dependencies: [(name: String, version: String)]?

    public init(commit: String?, date: String?, compiler: String?, dependencies: [(name: String, version: String)]?) {
        self.commit = commit
        self.date = date
        self.compiler = compiler
        self.dependencies = dependencies
    }

    /// This program's. Only release builds know more than the version: otherwise each commit would have to be compiled
    /// into every debug build.
    public static var current: BuildInformation {
        BuildInformation(
            commit: clinux_build_commit().map { String(cString: $0) }, date: clinux_build_date().map { String(cString: $0) },
            compiler: clinux_build_compiler().map { String(cString: $0) },
            dependencies: clinux_build_dependencies().map { dependencies(String(cString: $0)) })
    }

    /// - Parameter text: `name=version`, separated by commas.
    static func dependencies(_ text: String) -> [(name: String, version: String)] {
        text.split(separator: ",").map { part in
            let name = part.prefix { $0 != "=" }
            return (String(name), String(part.dropFirst(name.count + 1)))
        }
    }

    /// Whether a command line is `--version --json`, in either order, and nothing else.
    /// - Parameter words: Without the program's name.
    public static func isWanted(by words: some Collection<String>) -> Bool {
        words.count == 2 && words.contains("--version") && words.contains("--json")
    }

    /// A JSON object, in one line; what is not known is null.
    public func json(program: String) -> String {
        var members = [("program", BuildInformation.quoted(program)), ("version", BuildInformation.quoted(BuildInformation.version))]
        members += [("commit", commit), ("date", date), ("compiler", compiler)].map { ($0, $1.map(BuildInformation.quoted) ?? "null") }
        let list = dependencies?.map { "\(BuildInformation.quoted($0.name)):\(BuildInformation.quoted($0.version))" }
        members.append(("dependencies", list.map { "{\($0.joined(separator: ","))}" } ?? "null"))
        return "{" + members.map { "\(BuildInformation.quoted($0)):\($1)" }.joined(separator: ",") + "}"
    }

    /// A JSON string (RFC 8259 §7). The targets of `System` know no JSON writer.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
