import DurableFile
import Glibc

/// The user to whom the agent's state belongs.
enum AgentUser {
    /// Does work in the state directory as its owner, also if root runs the program: what is made belongs to the agent,
    /// and a link that a broken agent has left there leads root nowhere.
    ///
    /// For a program with one thread: the user changes for the whole process.
    /// - Throws: `BackupError` if the folder is missing or belongs to another user.
    static func act<Result>(asOwnerOf path: String, _ body: () throws -> Result) throws -> Result {
        let status: FileStatus
        do throws(FileError) { status = try Folder(path).status() } catch {
            guard error.isMissing else { throw error }
            throw BackupError(
                "the state directory \(path) does not exist",
                hint: "make it for the agent's user: install -d -o acme-agent -g acme-agent -m 0700 \(path)")
        }
        let user = geteuid(), group = getegid()
        if status.owner == user { return try body() }
        guard user == 0 else {
            throw BackupError("the state directory \(path) belongs to another user", hint: "run it as root")
        }
        guard setegid(status.group) == 0 else { throw FileError(path: path, call: "setegid", code: errno) }
        defer { _ = setegid(group) }
        guard seteuid(status.owner) == 0 else { throw FileError(path: path, call: "seteuid", code: errno) }
        defer { _ = seteuid(user) }
        return try body()
    }
}
