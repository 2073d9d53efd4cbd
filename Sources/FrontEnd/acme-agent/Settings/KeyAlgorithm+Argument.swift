import ACME
import JOSE

extension KeyAlgorithm {
    /// From user input in any case: `p-256`, `P256`, `rsa-2048`, `rsa2048`, `ed25519`.
    init(argument: String) throws(Failure) {
        func plain(_ text: String) -> String { text.lowercased().filter { $0 != "-" } }
        guard let match = KeyAlgorithm.allCases.first(where: { plain($0.rawValue) == plain(argument) }) else {
            let all = KeyAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
            throw .usage("\"\(TerminalText.safe(argument, limit: 40))\" is not a key type", hint: "key types: \(all)")
        }
        self = match
    }
}
