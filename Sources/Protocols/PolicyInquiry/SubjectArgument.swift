import ACME
import AgentInterface

/// About whom policy is asked, on the command line: a user of this machine, or numbers as the kernel reports them.
public enum SubjectArgument: Hashable, Sendable {
    /// By name or number, to be looked up with its groups.
    case user(String)
    /// `uid:1000,gid:100,gid:27`: a user that need not exist, with its groups.
    case numbers(DecisionQuestion.Subject)

    /// - Throws: `InquiryError`.
    public init(_ text: String) throws(InquiryError) {
        guard text.utf8.starts(with: "uid:".utf8) || text.utf8.starts(with: "gid:".utf8) else {
            // A zero byte would end the name for the system.
            guard !text.isEmpty, TerminalText.safe(text) == text else {
                throw InquiryError("\"\(TerminalText.safe(text, limit: 40))\" is not the name of a user")
            }
            self = .user(text)
            return
        }
        var users: [UInt32] = [], groups: [UInt32] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let number = UInt32(part.dropFirst(4))
            switch (part.prefix(4), number) {
            case ("uid:", let number?): users.append(number)
            case ("gid:", let number?): groups.append(number)
            default: throw SubjectArgument.malformed(text)
            }
        }
        guard users.count == 1, let user = users.first else { throw SubjectArgument.malformed(text) }
        self = .numbers(DecisionQuestion.Subject(user: user, groups: groups))
    }

    private static func malformed(_ text: String) -> InquiryError {
        InquiryError(
            "\"\(TerminalText.safe(text, limit: 40))\" is not a user", hint: "a name, or numbers: uid:1000,gid:1000,gid:27")
    }

    /// The subject, with users looked up.
    /// - Parameter find: The user of that name or number.
    /// - Throws: `InquiryError` if there is no such user.
    public func subject(_ find: (String) -> DecisionQuestion.Subject?) throws(InquiryError) -> DecisionQuestion.Subject {
        switch self {
        case .numbers(let subject): return subject
        case .user(let name):
            guard let subject = find(name) else {
                throw InquiryError(
                    "there is no user \"\(TerminalText.safe(name, limit: 40))\"",
                    hint: "for one that does not exist, give numbers: uid:1000,gid:1000")
            }
            return subject
        }
    }

    /// The user as a configuration would name it.
    public var text: String {
        switch self {
        case .user(let name): name
        case .numbers(let subject): String(subject.user)
        }
    }
}
