/// What a private key allows beyond signing in its token. A key that the agent makes has none. One that it adopts may
/// have some, which must then be accepted explicitly.
public struct KeyWeaknesses: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// CKA_EXTRACTABLE: it can be taken out of the token, wrapped with another key.
    public static let extractable = KeyWeaknesses(rawValue: 1 << 0)
    /// CKA_NEVER_EXTRACTABLE is false: it was made elsewhere, or was once extractable; there may be a copy.
    public static let wasExtractable = KeyWeaknesses(rawValue: 1 << 1)
    /// CKA_SENSITIVE is false: the token reveals it in plain text.
    public static let notSensitive = KeyWeaknesses(rawValue: 1 << 2)
    /// CKA_ALWAYS_SENSITIVE is false: it was made elsewhere, or could once be read.
    public static let wasNotSensitive = KeyWeaknesses(rawValue: 1 << 3)
    /// CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE, CKA_SIGN_RECOVER: others with access to the token can use it for more than
    /// signatures.
    public static let decrypts = KeyWeaknesses(rawValue: 1 << 4)
    public static let unwraps = KeyWeaknesses(rawValue: 1 << 5)
    public static let derives = KeyWeaknesses(rawValue: 1 << 6)
    public static let signsWithRecovery = KeyWeaknesses(rawValue: 1 << 7)

    private static let words: [(weakness: KeyWeaknesses, word: String)] = [
        (.extractable, "extractable"), (.wasExtractable, "was-extractable"), (.notSensitive, "not-sensitive"),
        (.wasNotSensitive, "was-not-sensitive"), (.decrypts, "decrypt"), (.unwraps, "unwrap"), (.derives, "derive"),
        (.signsWithRecovery, "sign-recover"),
    ]

    /// All weaknesses.
    static let all = words.reduce(into: KeyWeaknesses()) { $0.formUnion($1.weakness) }

    /// Stable words for what is in the set, in the order above.
    public var names: [String] { KeyWeaknesses.words.filter { contains($0.weakness) }.map(\.word) }

    /// `nil` if one of the words is unknown.
    public init?(names: [String]) {
        self = []
        for name in names {
            guard let known = KeyWeaknesses.words.first(where: { $0.word == name }) else { return nil }
            formUnion(known.weakness)
        }
    }
}
