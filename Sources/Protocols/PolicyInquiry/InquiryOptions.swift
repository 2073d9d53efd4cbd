import ACME
import AgentInterface
import ArgumentParser

/// What may be asked of policy, on the command lines of `acme-agent policy check` and `acme-agentd --explain`: one kind
/// of question for each operation.
public struct InquiryOptions: ParsableArguments {
    @Option(parsing: .upToNextOption, help: ArgumentHelp("Order a certificate for these names (new-order).", valueName: "name"))
    var order: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Finalize an order: the certificate's key, then the names (finalize).", valueName: "key> <name"))
    var finalize: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Make a certificate request: its key, then the names (sign-certificate-request).", valueName: "key> <name"))
    var csr: [String] = []

    @Option(help: ArgumentHelp("Serve TLS 1.3 with this key (sign-handshake).", valueName: "key"))
    var handshake: String?

    @Option(help: ArgumentHelp("Present a client certificate with this key (sign-client-handshake).", valueName: "key"))
    var clientHandshake: String?

    @Option(help: ArgumentHelp("Serve TLS 1.2 with this key (sign-server-key-exchange).", valueName: "key"))
    var serverKeyExchange: String?

    @Flag(help: "Revoke a certificate with the account's key (revoke-certificate).")
    var revoke = false

    @Option(help: ArgumentHelp("Revoke a certificate with its own key (revoke-certificate).", valueName: "key"))
    var revokeWith: String?

    @Flag(help: "Register an account (new-account).")
    var register = false

    @Flag(help: "Change an account's contacts (update-account).")
    var updateAccount = false

    @Flag(help: "End an account (deactivate-account).")
    var deactivateAccount = false

    @Option(help: ArgumentHelp("Change an account's key to this one (key-change).", valueName: "key"))
    var keyChange: String?

    @Flag(help: "Fetch orders and certificates (post-as-get).")
    var fetch = false

    @Flag(help: "Answer challenges (respond-to-challenge).")
    var respond = false

    @Flag(help: "Give up an authorization (deactivate-authorization).")
    var deactivateAuthorization = false

    @Option(help: ArgumentHelp("Make a key of this name (create-key).", valueName: "key"))
    var createKey: String?

    @Option(help: ArgumentHelp("Adopt a key of the token under this name (adopt-key).", valueName: "key"))
    var adoptKey: String?

    @Option(help: ArgumentHelp("Retire this key (retire-key).", valueName: "key"))
    var retireKey: String?

    @Option(help: ArgumentHelp("Delete this key (delete-key).", valueName: "key"))
    var deleteKey: String?

    @Option(help: ArgumentHelp("See this key (list-keys).", valueName: "key"))
    var listKeys: String?

    @Flag(help: "Read the audit trail (read-audit).")
    var readAudit = false

    @Flag(help: "Read the metrics (read-metrics).")
    var readMetrics = false

    @Option(help: ArgumentHelp("The account's key.", valueName: "key"))
    public var account: String?

    @Option(
        help: ArgumentHelp(
            "With --register: external account credential, by its name in the agent's configuration (RFC 8555 §7.3.4).", valueName: "name"))
    var eab: String?

    @Option(
        help: ArgumentHelp("With --create-key and --adopt-key: certificate or account.", valueName: "usage"),
        completion: .list(["certificate", "account"]))
    var usage = "certificate"

    @Option(name: .customLong("as"), help: ArgumentHelp("Ask about this user: a name, or uid:N,gid:N,gid:N…", valueName: "user"))
    var subjectText: String?

    public init() {}

    /// Whether any question was asked.
    public var isGiven: Bool { !kinds.isEmpty }

    /// About whom; `nil` for the caller.
    public var subject: SubjectArgument? {
        get throws(InquiryError) {
            guard let subjectText else { return nil }
            return try SubjectArgument(subjectText)
        }
    }
}

// MARK: The question

extension InquiryOptions {
    /// A kind of question that was asked.
    private struct Kind {
        var option: String
        var operation: Operation
        /// Names of keys other than the account's.
        var keys: [String] = []
        var names: [String] = []
        /// Whether the account's key signs.
        var isOfAccount = false
    }

    private var kinds: [Kind] {
        var kinds: [Kind] = []
        if !order.isEmpty { kinds.append(Kind(option: "order", operation: .newOrder, names: order, isOfAccount: true)) }
        for (option, operation, words, isOfAccount) in [
            ("finalize", Operation.finalize, finalize, true), ("csr", .signRequest, csr, false),
        ] where !words.isEmpty {
            kinds.append(
                Kind(
                    option: option, operation: operation, keys: Array(words.prefix(1)), names: Array(words.dropFirst()),
                    isOfAccount: isOfAccount))
        }
        for (option, operation, isAsked) in [
            ("revoke", Operation.revokeCertificate, revoke), ("register", .newAccount, register),
            ("update-account", .updateAccount, updateAccount), ("deactivate-account", .deactivateAccount, deactivateAccount),
            ("fetch", .postAsGet, fetch), ("respond", .respondToChallenge, respond),
            ("deactivate-authorization", .deactivateAuthorization, deactivateAuthorization),
        ] where isAsked {
            kinds.append(Kind(option: option, operation: operation, isOfAccount: true))
        }
        if let keyChange { kinds.append(Kind(option: "key-change", operation: .keyChange, keys: [keyChange], isOfAccount: true)) }
        for (option, operation, key) in [
            ("handshake", Operation.signHandshake, handshake), ("client-handshake", .signClientHandshake, clientHandshake),
            ("server-key-exchange", .signServerKeyExchange, serverKeyExchange), ("revoke-with", .revokeCertificate, revokeWith),
            ("create-key", .createKey, createKey), ("adopt-key", .adoptKey, adoptKey), ("retire-key", .retireKey, retireKey),
            ("delete-key", .deleteKey, deleteKey), ("list-keys", .listKeys, listKeys),
        ] {
            if let key { kinds.append(Kind(option: option, operation: operation, keys: [key])) }
        }
        if readAudit { kinds.append(Kind(option: "read-audit", operation: .readAudit)) }
        if readMetrics { kinds.append(Kind(option: "read-metrics", operation: .readMetrics)) }
        return kinds
    }

    private func kind() throws(InquiryError) -> Kind {
        let kinds = kinds
        guard let kind = kinds.first else {
            throw InquiryError("no question: say what is to be done, for example --order www.example.org")
        }
        guard kinds.count == 1 else {
            throw InquiryError("one question at a time: --\(kind.option) and --\(kinds[1].option) cannot be combined")
        }
        return kind
    }

    /// What is asked, except for the account's key, the CA and the subject.
    private func draft(_ kind: Kind) throws(InquiryError) -> DecisionQuestion {
        var question = DecisionQuestion(kind.operation)
        question.keys = try InquiryOptions.keyNames(kind.keys)
        for name in kind.names {
            do { question.identifiers.append(try Identifier(argument: name)) } catch { throw InquiryError("\(error)") }
        }
        guard kind.operation.needsIdentifiers == !kind.names.isEmpty else {
            throw InquiryError("--\(kind.option) needs the key and at least one name")
        }
        guard Set(question.identifiers).count == question.identifiers.count else { throw InquiryError("a name is given twice") }
        guard question.identifiers.count <= CallLimits.explainedIdentifiers else {
            throw InquiryError("at most \(CallLimits.explainedIdentifiers) names can be asked about at once")
        }
        if account != nil, !kind.isOfAccount { throw InquiryError("--account has no effect with --\(kind.option)") }
        if eab != nil, !register { throw InquiryError("--eab has no effect without --register") }
        question.externalAccount = eab
        guard KeyUsage(rawValue: usage) != nil else {
            throw InquiryError("\"\(TerminalText.safe(usage, limit: 40))\" is not a usage", hint: "a key's usage is certificate or account")
        }
        let makesKey = kind.operation == .createKey || kind.operation == .adoptKey
        if usage == KeyUsage.account.rawValue, !makesKey {
            throw InquiryError("--usage has no effect with --\(kind.option)")
        }
        return question
    }

    /// Checks everything that can be checked without the agent.
    /// - Throws: `ValidationError`.
    public func validate() throws {
        guard isGiven else { return }
        do throws(InquiryError) {
            _ = try draft(kind())
            if let account { _ = try InquiryOptions.keyNames([account]) }
            _ = try subject
        } catch { throw ValidationError(error.message + (error.hint.map { ": \($0)" } ?? "")) }
    }

    /// Whether the question is about a request to a CA, or about a key that would be bound to one.
    public var isAboutCA: Bool {
        guard let kind = kinds.first else { return false }
        return kind.operation.isForCA || usage == KeyUsage.account.rawValue
    }

    /// Whether the question is about an account's key that `--account` does not name.
    public var needsAccountKey: Bool { account == nil && kinds.first?.isOfAccount == true }

    /// The question.
    /// - Parameters:
    ///   - directory: Of the CA, for a question about one.
    ///   - accountKey: The account's key, if `--account` does not name it.
    ///   - subject: About whom; `nil` for the caller.
    /// - Throws: `InquiryError` if no question was asked, or several, or something is missing.
    public func question(
        directory: ACMEURL?, accountKey: KeyName? = nil, subject: DecisionQuestion.Subject? = nil
    ) throws(InquiryError) -> DecisionQuestion {
        let kind = try kind()
        var question = try draft(kind)
        question.subject = subject
        if kind.isOfAccount {
            guard let key = try account.map({ text throws(InquiryError) in try InquiryOptions.keyNames([text])[0] }) ?? accountKey else {
                throw InquiryError("which account? name its key: --account KEY")
            }
            question.keys.insert(key, at: 0)
        }
        if isAboutCA {
            guard let directory else { throw InquiryError("at which CA? name its directory: --directory URL") }
            question.url = directory
        }
        return question
    }

    private static func keyNames(_ texts: [String]) throws(InquiryError) -> [KeyName] {
        var names: [KeyName] = []
        for text in texts {
            do throws(KeyNameError) { names.append(try KeyName(text)) } catch { throw InquiryError(error.description) }
        }
        return names
    }
}
