import Foundation

/// Results as tables.
enum Report {
    static let kinds = ["once", "done, and an error", "until healed", "sessions lost", "crash", "hang"]

    /// One line for each case: function, return value, kind, hits, slowest answer, time to recover, what callers saw.
    static func lines(_ results: [CaseResult]) -> String {
        let rows = results.map { result in
            [
                result.faultCase.function.name, result.faultCase.returnValue?.description ?? "-", result.faultCase.kind, "\(result.hits)",
                format(result.slowest), result.back.map { format($0) } ?? "-",
                result.failures.isEmpty ? "\(result.requests) met" : Set(result.failures).sorted().joined(separator: "; "),
            ].joined(separator: "\t")
        }
        return (["function\tvalue\tkind\thits\tslowest answer\tback after\tcallers"] + rows).joined(separator: "\n") + "\n"
    }

    /// One row for each function: the longest that a request was held up by each kind of fault, in seconds, as far as
    /// requests may not fail.
    static func table(_ results: [CaseResult]) -> String {
        var text = "| function | \(kinds.joined(separator: " | ")) |\n|---|\(String(repeating: "---|", count: kinds.count))\n"
        for function in CryptokiFunction.all {
            let own = results.filter {
                $0.faultCase.function == function && !$0.faultCase.mayFailRequests && !$0.faultCase.needsAdministrator
            }
            let cells = kinds.map { kind in
                let times = own.filter { $0.faultCase.kind == kind }.map { $0.back ?? $0.slowest }
                return times.max().map { format($0) } ?? "–"
            }
            text += "| \(function.name) | \(cells.joined(separator: " | ")) |\n"
        }
        return text
    }

    private static func format(_ seconds: Double) -> String { String(format: "%.1f", seconds) }
}
