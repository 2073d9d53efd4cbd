import Glibc

/// Paths that are stored for programs in other folders.
enum AbsolutePath {
    static func of(_ path: String) throws -> String {
        guard !path.isEmpty else { throw Failure.usage("a path is empty") }
        guard !path.hasPrefix("/") else { return path }
        guard let folder = getcwd(nil, 0) else { throw Failure.usage("the working folder is gone; give an absolute path") }
        defer { free(folder) }
        guard let name = String(validatingCString: folder) else {
            throw Failure.usage("the working folder's name is not valid UTF-8", hint: "give an absolute path, or work elsewhere")
        }
        return name + "/" + path
    }
}
