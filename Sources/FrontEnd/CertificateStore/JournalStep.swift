import ACME
import StrictJSON

/// One step of an issuance, recorded so that the next run can resume from any point.
public enum JournalStep: Hashable, Sendable {
    /// Before a key is made, or an existing key is used (`isNew` false). The next run uses or removes it.
    case intentKey(name: KeyName, isNew: Bool)
    /// Right before the key is made, when the agent has none of that name. If the run is killed before it can write
    /// `keyMade`, a key of that name belongs to this order.
    case makingKey
    /// The key is in the token; lower-case hex SHA-256 of its SPKI.
    case keyMade(fingerprint: String)
    /// newOrder was answered. Some CAs leave the finalize URL and the authorizations out of later answers.
    case orderCreated(ACMEURL, finalize: ACMEURL? = nil, authorizations: [ACMEURL] = [])
    /// Before the answer is presented.
    case challengeSetUp(ChallengeAnswer)
    case challengeCleanedUp(ChallengeAnswer)
    /// Before finalize is sent; written while the CA validates the challenges.
    case finalized
    /// The certificate's URL. If it was not written, the next run asks for it again.
    case downloaded(ACMEURL)
    /// Also known from the certificate's order URL.
    case installed(generation: Int)
    /// The order failed, and a retry would not help. The journal is kept for the next request for the certificate,
    /// because of a key that the CA may have certified, or a challenge that could not be removed. No timer resumes it.
    case failed

    func write(_ writer: inout JSONWriter) {
        writer.beginObject()
        switch self {
        case .intentKey(let name, let isNew):
            writer.member("step", "intent-key")
            writer.member("key", name.rawValue)
            writer.member("new", isNew)
        case .makingKey: writer.member("step", "making-key")
        case .keyMade(let fingerprint):
            writer.member("step", "key-made")
            writer.member("fingerprint", fingerprint)
        case .orderCreated(let url, let finalize, let authorizations):
            writer.member("step", "order-created")
            writer.member("url", url.text)
            writer.member("finalize", ifPresent: finalize?.text)
            if !authorizations.isEmpty { writer.member("authorizations", authorizations.map(\.text)) }
        case .challengeSetUp(let answer): JournalStep.write(answer, "challenge-set-up", &writer)
        case .challengeCleanedUp(let answer): JournalStep.write(answer, "challenge-cleaned-up", &writer)
        case .finalized: writer.member("step", "finalized")
        case .downloaded(let url):
            writer.member("step", "downloaded")
            writer.member("url", url.text)
        case .installed(let generation):
            writer.member("step", "installed")
            writer.member("generation", generation)
        case .failed: writer.member("step", "failed")
        }
        writer.endObject()
    }

    private static func write(_ answer: ChallengeAnswer, _ step: String, _ writer: inout JSONWriter) {
        writer.member("step", step)
        writer.member("kind", answer.type.rawValue)
        writer.name("identifier")
        IdentifierList.write(answer.identifier, &writer)
        writer.member("target", answer.target)
        writer.member("place", ifPresent: answer.place)
        writer.member("value", answer.keyAuthorization.text)
    }

    init(_ object: JSONObject) throws {
        switch try object.string("step") {
        case "intent-key":
            try object.finish(known: ["step", "key", "new"])
            self = .intentKey(name: try KeyName(object.string("key")), isNew: try object.bool("new"))
        case "making-key":
            try object.finish(known: ["step"])
            self = .makingKey
        case "key-made":
            try object.finish(known: ["step", "fingerprint"])
            self = .keyMade(fingerprint: try object.string("fingerprint"))
        case "order-created":
            try object.finish(known: ["step", "url", "finalize", "authorizations"])
            self = .orderCreated(
                try ACMEURL(object.string("url")), finalize: try object.optionalString("finalize").map { try ACMEURL($0) },
                authorizations: try object.optionalStrings("authorizations")?.map { try ACMEURL($0) } ?? [])
        case "challenge-set-up": self = .challengeSetUp(try JournalStep.challenge(object))
        case "challenge-cleaned-up": self = .challengeCleanedUp(try JournalStep.challenge(object))
        case "finalized":
            try object.finish(known: ["step"])
            self = .finalized
        case "downloaded":
            try object.finish(known: ["step", "url"])
            self = .downloaded(try ACMEURL(object.string("url")))
        case "installed":
            try object.finish(known: ["step", "generation"])
            self = .installed(generation: Int(try object.integer("generation")))
        case "failed":
            try object.finish(known: ["step"])
            self = .failed
        default: throw JSONError(.invalidValue, offset: 0, member: "step")
        }
    }

    private static func challenge(_ object: JSONObject) throws -> ChallengeAnswer {
        try object.finish(known: ["step", "kind", "identifier", "target", "place", "value"])
        guard let type = ChallengeType(rawValue: try object.string("kind")) else {
            throw JSONError(.invalidValue, offset: 0, member: "kind")
        }
        guard let keyAuthorization = KeyAuthorization(text: try object.string("value")) else {
            throw JSONError(.invalidValue, offset: 0, member: "value")
        }
        return ChallengeAnswer(
            type: type, identifier: try IdentifierList.read(object.object("identifier")), keyAuthorization: keyAuthorization,
            target: try object.string("target"), place: try object.optionalString("place"))
    }
}

/// Identifiers in the store's files: ACME's own two members (RFC 8555 §7.1.3).
enum IdentifierList {
    static func write(_ identifier: Identifier, _ writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("type", identifier.type)
        writer.member("value", identifier.value)
        writer.endObject()
    }

    static func write(_ identifiers: [Identifier], _ writer: inout JSONWriter) {
        writer.beginArray()
        for identifier in identifiers { write(identifier, &writer) }
        writer.endArray()
    }

    static func read(_ object: JSONObject) throws -> Identifier {
        try object.finish(known: ["type", "value"])
        return try Identifier(type: object.string("type"), value: object.string("value"))
    }

    static func read(_ object: JSONObject, _ name: String) throws -> [Identifier] {
        try object.array(name).map { try read($0.object(name)) }
    }
}
