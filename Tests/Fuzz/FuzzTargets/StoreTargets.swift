import ACME
import Crypto
import JOSE
import KeyNameLiterals
import StrictJSON
import TokenProtocol

@testable import AgentService
@testable import CertificateStore
@testable import Keyring

extension FuzzTarget {
    private static let storeTokens = [
        "\"version\":1", "\"version\":2", "\"version\":3", "\"kind\":\"order\"", "\"kind\":\"renewal\"", "\"kind\":\"account\"",
        "\"kind\":\"certificate\"", "\"step\":\"intent-key\"", "\"step\":\"failed\"", "\"step\":\"order-created\"",
        "\"url\":\"https://ca.test/1\"",
        "\"started\":\"2026-01-01T00:00:00Z\"", "\"9999-12-31T23:59:59-23:59\"", "\"profile\":null", "\\u0000", "\"reason\":7", "{", "}",
        "[", "]",
        ",", "-1",
    ]

    /// The store's documents, the order journal first: each kind is read strictly, can be written, and is read again as
    /// the same document, so that no run loses what an earlier one knew.
    static let journal = FuzzTarget("journal", longest: 8_192, tokens: storeTokens, seeds: storeDocuments) { bytes in
        let found = [
            try isKept(OrderJournal.self, bytes), try isKept(RenewalRecord.self, bytes), try isKept(OrderCount.self, bytes),
            try isKept(CertificateMetadata.self, bytes), try isKept(CertificateState.self, bytes),
            try isKept(AwaitedCertificate.self, bytes),
            try isKept(CompromisedKey.self, bytes), try isKept(OutgoingKey.self, bytes), try isKept(StoredAccount.self, bytes),
        ]
        try expect(found.count { $0 } <= 1, "a document is read as two kinds")
        return found.contains(true)
    }

    private static func isKept<Document: StoreDocument>(_ kind: Document.Type, _ bytes: [UInt8]) throws -> Bool {
        guard let document = try? Document(bytes, path: "x.json") else { return false }
        let once = try must("a document of kind \(Document.kind) that was read cannot be written") { try document.encoded(for: "x.json") }
        let again = try must("a document of kind \(Document.kind) that was written is refused") { try Document(once, path: "x.json") }
        let twice = try must("a document of kind \(Document.kind) cannot be written again") { try again.encoded(for: "x.json") }
        try expect(twice == once, "a document of kind \(Document.kind) has two forms")
        return true
    }

    @Sendable private static func storeDocuments() throws -> [[UInt8]] {
        let directory = try ACMEURL("https://ca.test/dir"), order = try ACMEURL("https://ca.test/order/1")
        let name = try CertificateName("www.example.org"), identifier = try Identifier(argument: "www.example.org")
        let answer = ChallengeAnswer(
            type: .http01, identifier: identifier, keyAuthorization: KeyAuthorization(token: "dG9rZW4", thumbprint: "dGh1bWI"),
            target: "/var/www", place: nil)
        let journal = OrderJournal(
            name: name, directory: directory, identifiers: [identifier], profile: "short", mustStaple: true, accountKey: "account-1",
            account: order, started: 1_800_000_000, replacing: 3,
            steps: [
                .intentKey(name: "web-1", isNew: true), .makingKey, .keyMade(fingerprint: "00ff"),
                .orderCreated(order, finalize: order, authorizations: [directory]), .challengeSetUp(answer), .challengeCleanedUp(answer),
                .finalized, .downloaded(order), .installed(generation: 4), .failed,
            ])
        let account = StoredAccount(
            directory: directory, key: "account-1", url: order, contact: ["mailto:a@example.org"], nextKey: "account-2",
            termsOfService: "https://ca.test/tos", isDeactivated: true)
        let count = OrderCount(
            directory: directory, times: [1, 2], certificates: [.init(id: "00", time: 3)], failures: [.init(id: "a.test", time: 4)])
        let renewal = """
            {"version":2,"kind":"renewal","name":"www.example.org","serial":"01","window":{"start":1,"end":2,"moment":1,"explanation":"x"},\
            "nextLook":5,"pause":{"renewed":1,"seconds":2},"failedLooks":1,"revocation":{"date":1,"reason":1},"seenList":{"number":"01",\
            "thisUpdate":1,"nextUpdate":2},"nextListLook":3,"listFailures":{"count":1,"first":1,"reason":"r"},"failures":[{"directory":\
            "https://ca.test/dir","count":1,"first":1,"last":2,"next":3,"reason":"r","isOfCA":true,"isDeployment":true}]}
            """
        let metadata = """
            {"version":1,"kind":"certificate","name":"www.example.org","generation":1,"identifiers":[{"type":"dns","value":\
            "www.example.org"}],"privateKey":{"reference":"\(KeyReference.scheme)web-1","fingerprint":"00"},"directory":\
            "https://ca.test/dir","serial":"01","notBefore":"2026-01-01T00:00:00Z","notAfter":"2026-04-01T00:00:00Z","installed":\
            "2026-01-01T00:00:01Z"}
            """
        let state = #"{"version":1,"kind":"certificate-state","deployed":1,"revoked":2}"#
        let key = KeyReference(name: "web-1", fingerprint: "00ff"), time: Int64 = 1_800_000_000
        let awaited = AwaitedCertificate(
            name: name, identifiers: [identifier], key: "web-1", fingerprint: "00ff", isNewKey: true, mustStaple: true, requested: time)
        let outgoing = OutgoingKey(key: key, certificate: name, fate: .retire, due: time)
        let others = [try awaited.encoded(for: "x"), try outgoing.encoded(for: "x")]
        return [try journal.encoded(for: "x"), try account.encoded(for: "x"), try count.encoded(for: "x")]
            + others + [try CompromisedKey(key: key, reported: time).encoded(for: "x")] + [renewal, metadata, state].map { Array($0.utf8) }
    }

    /// The entries of the key folder. Each is read again as the same entry, and pins a key with its own algorithm.
    static let keyEntry = FuzzTarget(
        "key-entry", longest: 4_096,
        tokens: [
            "\"state\":\"making\"", "\"state\":\"adopting\"", "\"state\":\"active\"", "\"state\":\"retired\"", "\"version\":1",
            "\"version\":2",
            "\"id\":\"00112233445566778899aabbccddeeff\"", "\"uri\":\"pkcs11:\"", "\"weaknesses\":[\"extractable\"]", "\"directory\":",
            "null", ",",
        ]
    ) {
        let spki = PublicKey.ed25519([0x58] + [UInt8](repeating: 0x66, count: 31)).spki
        let directory = try ACMEURL("https://ca.test/dir")
        let pinned = try PinnedKey(
            reference: TokenKeyReference(id: [UInt8](repeating: 1, count: 16), label: "wéb", spki: spki), uri: "pkcs11:object=web",
            weaknesses: [.wasExtractable])
        let states: [KeyRecord.State] = [
            .creating(.making(id: [UInt8](repeating: 1, count: 16))), .creating(.adopting(uri: "pkcs11:object=a")), .active(pinned),
            .retired(pinned),
        ]
        return states.map {
            KeyRecord(name: "web", usage: .account, directory: directory, token: "main", created: "2026-01-01T00:00:00Z", state: $0).json()
        }
    } check: { bytes in
        guard let record = try? KeyRecord(json: bytes) else { return false }
        let once = record.json()
        let again = try must("an entry that was written is refused") { try KeyRecord(json: once) }
        try expect(again == record && again.json() == once, "an entry that was written is another one")
        if let key = record.pinned {
            let publicKey = try must("an entry pins what is no public key") { try PublicKey(spki: key.reference.spki) }
            try expect(publicKey.algorithm == key.algorithm, "an entry pins a key of another algorithm")
        }
        return true
    }

    /// Backups of the agent. The input is one without its digest, which is added; what is read is written as it was, and
    /// a changed byte is noticed.
    static let backup = FuzzTarget(
        "backup", longest: 8_192,
        tokens: [
            "\"format\":1", "\"keys\":[", "\"text\":\"", "\"base64url\":\"AA\"", "\"head\":\"1:", "\"secrets\":[",
            "\"configuration-mode\":\"640\"", ",",
        ]
    ) {
        let head = try AuditHeadSample.make()
        let document = BackupDocument(
            version: "0.1", created: "2026-01-01T00:00:00Z", configuration: .init(name: "/etc/x.toml", bytes: Array("a = \"é\"".utf8)),
            configurationMode: 0o640, configurationGroup: "acme",
            keys: [.init(name: "web.json", bytes: [0xFF, 0]), .init(name: "b", bytes: [])],
            trailFile: "/var/x", trailHead: head, secrets: [.init(file: "/etc/pin", setting: "pin-source of token \"main\"")])
        // `,"sha256":"`, 64 digits, `"}` and a line feed come last.
        return [document.bytes().dropLast(11 + 64 + 3)]
    } check: { bytes in
        let digest = Hexadecimal.encode(Array(SHA256.hash(data: bytes)))
        let whole = bytes + Array(",\"sha256\":\"\(digest)\"}\n".utf8)
        guard let document = try? BackupDocument(whole) else { return false }
        let once = document.bytes()
        let again = try must("a backup that was written is refused") { try BackupDocument(once) }
        try expect(again == document && again.bytes() == once, "a backup that was written is another one")
        var damaged = whole
        let at = Int(bytes.first ?? 0) * 131 % bytes.count
        damaged[at] ^= 1
        try expect((try? BackupDocument(damaged)) == nil, "a changed byte is not noticed")
        return true
    }
}
