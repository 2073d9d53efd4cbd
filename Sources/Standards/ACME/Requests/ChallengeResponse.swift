/// Tells the CA that a challenge is ready (RFC 8555 §7.5.1).
public enum ChallengeResponse {
    /// The empty object; an empty payload would be a POST-as-GET.
    public static func payload() -> [UInt8] { Array("{}".utf8) }
}

/// Reads a resource (RFC 8555 §6.3).
public enum PostAsGet {
    /// No bytes at all.
    public static func payload() -> [UInt8] { [] }
}
