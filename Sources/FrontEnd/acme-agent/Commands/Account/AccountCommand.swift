import ACME
import ArgumentParser
import CertificateStore
import StrictJSON

/// `account`: the account at the CA.
struct AccountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "account", abstract: "Register and manage the account at the CA.",
        discussion: "Example: acme-agent account register --agree-tos",
        subcommands: [
            AccountRegister.self, AccountShow.self, AccountList.self, AccountUpdateCommand.self, AccountRollover.self,
            AccountRecover.self, AccountDeactivate.self,
        ])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}

/// An account as the commands show it.
struct AccountReport {
    var stored: StoredAccount
    /// The account as the CA has it, if it was fetched.
    var account: Account?

    var text: String {
        var list = FieldList()
        list.add("account", stored.url?.text)
        list.add("status", account?.status.rawValue)
        list.add("contact", account?.contact ?? stored.contact)
        list.add("key", stored.key.rawValue)
        list.add("directory", stored.directory.text)
        list.add("terms", stored.termsOfService)
        return list.text
    }

    func writeMember(to json: inout JSONWriter) {
        json.name("account")
        json.beginObject()
        json.member("url", ifPresent: stored.url?.text)
        json.member("status", ifPresent: account?.status.rawValue)
        json.member("contact", account?.contact ?? stored.contact)
        json.member("key", stored.key.rawValue)
        json.member("directory", stored.directory.text)
        json.member("termsOfService", ifPresent: stored.termsOfService)
        json.endObject()
    }
}

extension Contact {
    /// From the command line; an invalid one is a usage failure.
    static func parse(_ texts: [String]) throws(Failure) -> [Contact] {
        var contacts: [Contact] = []
        for text in texts {
            do { contacts.append(try Contact(argument: text)) } catch { throw .usage(error.description) }
        }
        return contacts
    }
}
