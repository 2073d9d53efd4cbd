/// A program's environment as bytes: entries that are not UTF-8 reach it unchanged.
public struct ProgramEnvironment: Hashable, Sendable, ExpressibleByDictionaryLiteral {
    /// Each is `NAME=VALUE`.
    private(set) var entries: [[UInt8]]

    /// From entries that each end with a zero byte, as in `/proc/self/environ`.
    public init(_ block: [UInt8]) { entries = block.split(separator: 0).map { Array($0) } }

    public init(dictionaryLiteral variables: (String, String)...) { entries = variables.map { Array("\($0)=\($1)".utf8) } }

    /// The environment without these variables.
    public func without(_ variables: [String]) -> ProgramEnvironment {
        var rest = self
        let names = Set(variables.map { Array($0.utf8) })
        rest.entries.removeAll { names.contains(Array($0.prefix { $0 != UInt8(ascii: "=") })) }
        return rest
    }

    /// The environment with these variables added or replaced.
    func merging(_ variables: [String: String]) -> ProgramEnvironment {
        var merged = without(Array(variables.keys))
        merged.entries += variables.sorted { $0.key < $1.key }.map { Array("\($0)=\($1)".utf8) }
        return merged
    }
}
