import ACME
import JOSE
import StrictJSON

@testable import ACMEClient

extension FuzzTarget {
    /// What a CA answers: after a line with the kind of document, JSON. What is kept of it is within its limits, and what
    /// is shown of it holds nothing that a terminal obeys.
    static let acmeDocument = FuzzTarget(
        "acme-document", longest: 8_192,
        tokens: [
            "\"status\":\"valid\"", "\"status\":\"pending\"", "\"identifiers\":[", "{\"type\":\"dns\",\"value\":\"a.test\"}",
            "\"authorizations\":[",
            "\"https://ca.test/1\"", "\"challenges\":[", "{\"type\":\"http-01\",", "\"token\":\"dG9rZW4\"", "\"error\":{",
            "\"subproblems\":[",
            "\"detail\":\"", "\\u001b[31m", "\\u202e", "\"wildcard\":true", "\"suggestedWindow\":{", "\"start\":\"2026-01-01T00:00:00Z\"",
            "null",
            "\"meta\":{", "\"profiles\":{", "\"caaIdentities\":[", "{", "}", "[", "]", ",",
        ], seeds: acmeDocuments
    ) { bytes in
        guard let (kind, text) = bytes.headed, let json = try? JSONDocument(parsing: text, limits: JSONLimits(depth: 16)).root else {
            return false
        }
        do {
            switch kind {
            case "directory": try check(Directory(json: json))
            case "account": try expectSafe("\(Account(json: json).status)")
            case "order": try check(Order(json: json))
            case "authorization": try check(Authorization(json: json))
            case "challenge": try check(Challenge(json: json))
            case "problem": try check(Problem(json: json))
            case "renewal":
                let window = try RenewalInformation(json: json)
                try expect(window.start < window.end, "a window does not end after its start")
            default: return false
            }
            return true
        } catch let error as ACMEDocumentError {
            try expectSafe(error.description)
            return false
        }
    }

    @Sendable private static func acmeDocuments() -> [[UInt8]] {
        let documents = [
            "directory": """
            {"newNonce":"https://ca.test/n","newAccount":"https://ca.test/a","newOrder":"https://ca.test/o","meta":{"termsOfService":\
            "https://ca.test/t","caaIdentities":["ca.test"],"profiles":{"short":"six days"},"externalAccountRequired":true}}
            """,
            "account": #"{"status":"valid","contact":["mailto:a@example.org"],"orders":"https://ca.test/orders"}"#,
            "order": """
            {"status":"invalid","expires":"2026-12-01T00:00:00Z","identifiers":[{"type":"dns","value":"*.Example.org"},{"type":"ip",\
            "value":"192.0.2.1"}],"authorizations":["https://ca.test/z/1"],"finalize":"https://ca.test/f/1","error":{"type":\
            "urn:ietf:params:acme:error:caa","detail":"no\\u001b[31m","subproblems":[{"detail":"x","identifier":{"type":"dns",\
            "value":"a.test"}}]}}
            """,
            "authorization": """
            {"identifier":{"type":"dns","value":"a.test"},"status":"pending","wildcard":false,"challenges":[{"type":"http-01","url":\
            "https://ca.test/c/1","status":"pending","token":"dG9rZW4"},{"type":"new-01","url":"https://ca.test/c/2","status":"pending"}]}
            """,
            "challenge": #"{"type":"dns-01","url":"https://ca.test/c/1","status":"invalid","token":"dG9rZW4","error":{"status":403}}"#,
            "problem": #"{"type":"urn:ietf:params:acme:error:badNonce","title":"t","detail":"d\u202e","status":400}"#,
            "renewal": #"{"suggestedWindow":{"start":"2026-01-01T00:00:00Z","end":"2026-01-02T00:00:00+01:00"},"explanationURL":"x"}"#,
        ]
        return documents.sorted { $0.key < $1.key }.map { .headed($0.key, $0.value.utf8) }
    }

    private static func expectSafe(_ text: String) throws {
        try expect(
            text.unicodeScalars.allSatisfy { TerminalText.isSafe($0) || $0 == "\n" },
            "a text has what a terminal obeys: \(text.debugDescription)")
    }

    private static func check(_ problem: Problem) throws {
        try expect(problem.subproblems.count <= Problem.maximumSubproblems, "more subproblems are kept than the limit")
        try expect(problem.status.map { (100...599).contains($0) } ?? true, "a status is kept that is none")
        for text in [problem.title, problem.detail] {
            try expect(text.map { $0.unicodeScalars.count <= Problem.maximumTextLength } ?? true, "a text is longer than the limit")
        }
        try expectSafe(problem.description)
        for one in problem.subproblems { try check(one) }
    }

    private static func check(_ directory: Directory) throws {
        try expect(directory.caaIdentities.count <= Directory.maximumCAAIdentities, "more CAA identities are kept than the limit")
        try expect(directory.accountHashPrefix.map { DNSPersistRecord.isUsable(prefix: $0) } ?? true, "an unusable prefix is kept")
        try expect(directory.issuerDomainNames.allSatisfy { DNSPersistRecord.isUsable(issuer: $0) }, "an unusable issuer is kept")
    }

    private static func check(_ order: Order) throws {
        try expect(order.identifiers.map { $0.count <= NewOrder.maximumIdentifiers } ?? true, "more identifiers are kept than the limit")
        try expect(order.authorizations.count <= Order.maximumAuthorizations, "more authorizations are kept than the limit")
        for time in [order.expires, order.notBefore, order.notAfter] {
            try expect(time.map { RFC3339.seconds($0) != nil } ?? true, "a time is kept that is none")
        }
        if let error = order.error { try check(error) }
    }

    private static func check(_ authorization: Authorization) throws {
        try expect(authorization.challenges.count <= Authorization.maximumChallenges, "more challenges are kept than the limit")
        for challenge in authorization.challenges { try check(challenge) }
    }

    private static func check(_ challenge: Challenge) throws {
        if challenge.kind != nil, let token = challenge.token {
            try expect(ChallengeToken.isValid(token), "an invalid token is kept: \(token)")
        }
        if let error = challenge.error { try check(error) }
    }

    /// Fields of a CA's answers: after a line with the field's name, its value.
    static let header = FuzzTarget(
        "header", longest: 2_048,
        tokens: [
            "<https://ca.test/1>;rel=\"alternate\"", "rel=alternate", "rel=\"up alternate\"", ",", ";", "\"", "<", ">", "=", "\\",
            "Retry-After\n",
        ]
    ) {
        [
            .headed("Link", "<https://ca.test/1>;rel=\"alternate\", </2>; title=\"a,b\"; rel=\"up alternate\",<>;rel=alternate".utf8),
            .headed("Replay-Nonce", "bm9uY2U".utf8),
        ]
    } check: { bytes in
        guard let (name, rest) = bytes.headed, let value = String(validating: rest, as: UTF8.self) else { return false }
        switch name {
        case "Link":
            let targets = LinkHeader.targets([value], relation: "alternate")
            try expect(targets.count <= LinkHeader.maximumLinks, "more links are kept than the limit")
            try expect(targets.allSatisfy { value.utf8.firstRange(of: "<\($0)>".utf8) != nil }, "a link is changed")
            // A field that comes in two lines is one with a comma (RFC 9110 §5.3).
            let twice = LinkHeader.targets([value, value], relation: "alternate")
            try expect(twice == Array((targets + targets).prefix(LinkHeader.maximumLinks)), "links of two fields are not those of both")
            return !targets.isEmpty
        case "Replay-Nonce":
            guard ACMENonce.isValid(value) else { return false }
            let isSafe = value.utf8.allSatisfy { Base64URL.isLetter($0) } && value.utf8.count <= ACMENonce.maximumLength
            try expect(isSafe, "a nonce is not base64url, or longer than the limit")
            return true
        default: return false
        }
    }
}
