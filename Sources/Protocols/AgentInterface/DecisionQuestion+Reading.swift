import ACME
import StrictJSON

extension ParameterReader {
    /// The parameters of `ExplainDecision`.
    func decisionQuestion() throws(InvalidParameter) -> DecisionQuestion {
        guard let operation = Operation(rawValue: try text("operation")) else {
            throw InvalidParameter("operation", "must be one of " + Operation.allCases.map(\.rawValue).joined(separator: ", "))
        }
        var question = DecisionQuestion(operation, keys: try keyNames("keys"))
        let count = operation.keyRoles.count
        guard question.keys.count == count else {
            throw InvalidParameter("keys", "must have \(count) for \(operation.rawValue)")
        }
        if try optionalText("url") != nil {
            guard operation.mayNameCA else { throw InvalidParameter("url", "is for operations at a CA and for account keys only") }
            question.url = try url("url")
        } else if operation.isForCA {
            throw InvalidParameter("url", "is missing: \(operation.rawValue) signs one")
        }
        if json.optional("identifiers") != nil {
            guard operation.needsIdentifiers else { throw InvalidParameter("identifiers", "is not for \(operation.rawValue)") }
            question.identifiers = try identifiers(limit: CallLimits.explainedIdentifiers)
        }
        question.externalAccount = try optionalText("externalAccount")
        guard question.externalAccount == nil || operation == .newAccount else {
            throw InvalidParameter("externalAccount", "is for new-account only")
        }
        question.subject = try subject()
        try finish(["operation", "keys", "url", "identifiers", "externalAccount", "user", "groups"])
        return question
    }

    private func subject() throws(InvalidParameter) -> DecisionQuestion.Subject? {
        guard let user = try optionalInteger("user") else {
            guard json.optional("groups") == nil else { throw InvalidParameter("groups", "needs a user") }
            return nil
        }
        guard let uid = UInt32(exactly: user) else { throw InvalidParameter("user", "is out of range") }
        var groups: [UInt32] = []
        for number in try integers("groups") {
            guard let gid = UInt32(exactly: number) else { throw InvalidParameter("groups", "has a number that is out of range") }
            groups.append(gid)
        }
        guard groups.count <= CallLimits.explainedGroups else {
            throw InvalidParameter("groups", "must have at most \(CallLimits.explainedGroups)")
        }
        return DecisionQuestion.Subject(user: uid, groups: groups)
    }

    private func keyNames(_ name: String) throws(InvalidParameter) -> [KeyName] {
        var keys: [KeyName] = []
        // No operation has more than two.
        for text in try texts(name).prefix(3) {
            do throws(KeyNameError) { keys.append(try KeyName(text)) } catch { throw InvalidParameter(name, error.description) }
        }
        return keys
    }
}
