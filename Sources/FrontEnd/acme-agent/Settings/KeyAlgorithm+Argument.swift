import ACME
import JOSE

extension KeyAlgorithm {
    /// `P-256, P-384, …`
    static let choices = allCases.map(\.rawValue).joined(separator: ", ")

    /// From user input in any case: `p-256`, `P256`, `rsa-2048`, `rsa2048`, `ed25519`.
    init(argument: String) throws(Failure) {
        func plain(_ text: String) -> String { text.lowercased().filter { $0 != "-" } }
        guard let match = KeyAlgorithm.allCases.first(where: { plain($0.rawValue) == plain(argument) }) else {
            throw .usage("\"\(TerminalText.safe(argument, limit: 40))\" is not a key type", hint: "key types: \(KeyAlgorithm.choices)")
        }
        self = match
    }
}
