import Foundation
import PKCS11

/// What the tables of Docs/tokens.md name.
enum DocumentedValues {
    /// Values that no table names, for the rows "others" and "anything else".
    private static let others: [UInt] = [
        0x31,  // CKR_DEVICE_MEMORY
        0x50,  // CKR_FUNCTION_CANCELED
        0x70,  // CKR_MECHANISM_INVALID
        0xb1,  // CKR_SESSION_COUNT
        0x8000_0001,  // vendor-defined
    ]
    private static let sections: Set = ["## The PIN", "## When a call fails"]

    /// The functions whose faults the page says were tried, in its order.
    static func functions(_ path: String) -> [String] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
        var section = ""
        return text.split(separator: "\n").compactMap { line in
            if line.hasPrefix("## ") { section = String(line) }
            guard section == "## Faults that were tried", line.hasPrefix("| C_"), let name = line.split(separator: " ").dropFirst().first
            else { return nil }
            return String(name)
        }
    }

    /// The return values. A name that ends in an underscore, as `CKR_PIN_…` does, stands for all that begin with it. Nil if the file cannot
    /// be read, or names what is no return value.
    static func read(_ path: String) -> [ReturnValue]? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        var names: Set<String> = [], section = ""
        for line in text.split(separator: "\n") {
            if line.hasPrefix("## ") { section = String(line) }
            guard line.hasPrefix("| "), sections.contains(section) else { continue }
            for match in line.matches(of: /CKR_[A-Z_]+/) where match.0 != "CKR_" { names.insert(String(match.0)) }
        }
        let known = (1...0x300).map { ReturnValue(rawValue: UInt($0)) }.filter { $0.name != nil }
        var values = Set(others.map { ReturnValue(rawValue: $0) })
        for name in names {
            let named = known.filter { value in
                value.name == name || name.hasSuffix("_") && value.name?.hasPrefix(name) == true
            }
            guard !named.isEmpty else { return nil }
            values.formUnion(named)
        }
        return names.isEmpty ? nil : values.sorted { $0.rawValue < $1.rawValue }
    }
}
