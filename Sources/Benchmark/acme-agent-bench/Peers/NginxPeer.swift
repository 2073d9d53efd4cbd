import Glibc

/// nginx that serves TLS 1.3 with a key from wherever `ssl_certificate_key` finds it.
final class NginxPeer {
    private let server: ChildProcess
    private let load: HandshakeLoad

    /// - Parameters:
    ///   - name: of its folder.
    ///   - key: the value of `ssl_certificate_key`.
    ///   - variables: environment variables; the workers have them too.
    ///   - workers: number of worker processes.
    init(
        _ name: String, certificate: String, key: String, variables: [String: String], workers: Int = 1, workshop: Workshop
    ) throws {
        let folder = workshop.folder + "/nginx-" + name
        try Files.makeFolder(folder)
        let port = try NginxPeer.freePort()
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "    \($0)_temp_path \(folder)/\($0);" }
        try Files.write(
            folder + "/nginx.conf",
            """
            \(getuid() == 0 ? "user root;" : "")
            worker_processes \(workers);
            daemon off;
            \(variables.keys.sorted().map { "env \($0);" }.joined(separator: " "))
            pid \(folder)/pid;
            error_log stderr warn;
            events { worker_connections 1024; }
            http {
                access_log off;
            \(temporary.joined(separator: "\n"))
                server {
                    listen 127.0.0.1:\(port) ssl;
                    ssl_protocols TLSv1.3;
                    ssl_certificate \(certificate);
                    ssl_certificate_key "\(key)";
                    location / { return 200 "served\\n"; }
                }
            }

            """.utf8)
        load = try HandshakeLoad(port: port)
        server = try ChildProcess(
            [Files.exists("/usr/sbin/nginx") ? "/usr/sbin/nginx" : "nginx", "-c", folder + "/nginx.conf"],
            environment: workshop.environment.merging(variables) { $1 }, log: folder + "/log", diesWithParent: true)
        do {
            try server.await("nginx, \(name)") {
                guard let descriptor = try? HandshakeLoad.connect(port: port) else { return false }
                close(descriptor)
                return !server.children.isEmpty
            }
        } catch {
            server.stop()
            throw error
        }
    }

    func stop() { server.stop() }

    var processes: [pid_t] { [server.process] + server.children }
    /// Of the workers, MB.
    var residentMemory: Double { Placement.residentMemory(server.children) }

    /// - Parameter signers: processes whose CPU time is counted with nginx's.
    func load(connections: Int, seconds: Double, signers: [pid_t]) throws -> Outcome {
        try load.run(connections: connections, seconds: seconds, processes: processes + signers)
    }

    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw BenchError.system("socket") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else { throw BenchError.system("bind 127.0.0.1") }
        return Int(in_port_t(bigEndian: address.sin_port))
    }
}
