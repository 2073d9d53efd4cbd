import ArgumentParser
import Glibc

/// The web server of every client: serves a folder's challenges over plain HTTP on the CA's validation port. A separate
/// process, so that its CPU time is not counted.
final class WebrootServer {
    private let server: ChildProcess
    let folder: String

    init(port: Int, folder: String, workshop: Workshop) throws {
        self.folder = folder
        for path in [folder, folder + "/.well-known", folder + "/.well-known/acme-challenge"] { try Files.makeFolder(path) }
        let log = workshop.folder + "/webroot-server.log"
        server = try ChildProcess(
            [workshop.bench, "webroot-server", "\(port)", folder], environment: [:], log: log, diesWithParent: true)
        try server.await("the webroot's server") { Files.exists(folder + "/ready") }
    }

    var challenges: String { folder + "/.well-known/acme-challenge" }

    func stop() { server.stop() }

    /// The server itself: one connection after another, one request each.
    static func serve(port: Int, folder: String) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = in_port_t(port).bigEndian
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, length) }
        }
        guard bound == 0, listen(listener, 1_024) == 0 else { throw BenchError.system("bind 127.0.0.1:\(port)") }
        try Files.write(folder + "/ready", [])
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { throw BenchError.system("accept") }
            // A client that connects and sends nothing must not block the others forever.
            var patience = timeval(tv_sec: 1, tv_usec: 0)
            setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            answer(connection, folder: folder)
            close(connection)
        }
    }

    private static func answer(_ connection: Int32, folder: String) {
        var buffer = [UInt8](repeating: 0, count: 8_192)
        var filled = 0
        while filled < buffer.count, !buffer[..<filled].suffix(4).elementsEqual([13, 10, 13, 10]) {
            let count = buffer.withUnsafeMutableBytes { read(connection, $0.baseAddress?.advanced(by: filled), $0.count - filled) }
            guard count > 0 else { return }
            filled += count
        }
        let words = String(decoding: buffer[..<filled], as: UTF8.self).split(separator: " ", maxSplits: 2)
        let body = words.count > 1 && !words[1].contains("..") ? try? Files.read(folder + words[1]) : nil
        let head =
            "HTTP/1.1 \(body == nil ? "404 Not Found" : "200 OK")\r\nContent-Length: \(body?.count ?? 0)\r\nConnection: close\r\n\r\n"
        let response = Array(head.utf8) + (body ?? [])
        _ = write(connection, response, response.count)
    }
}

/// The server process of `WebrootServer`.
struct ServeWebroot: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "webroot-server", shouldDisplay: false)

    @Argument var port: Int
    @Argument var folder: String

    func run() throws { try WebrootServer.serve(port: port, folder: folder) }
}
