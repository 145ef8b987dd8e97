/**
 * Every bound in the runtime, with its unit last in the name. A limit states what happens past it; relations between
 * limits are asserted when this module loads, so that a change that breaks one never starts.
 */
export const limits = {
  /** Agent message content. Past it: refused to the sender with LIMIT_EXCEEDED. */
  contentBytesMax: 1_048_576,
  /** A link frame’s header. Past it: the link is closed. */
  headerBytesMax: 16_384,
  /** One text field of a message header, in UTF-16 units. Past it: refused to the sender, malformed from a peer. */
  headerTextCharsMax: 255,
  /** One frame with prefix, header and content. Past it: the link is closed. */
  frameBytesMax: 1_114_112,
  /** One WebSocket message, which may carry many frames. Past it: the link is closed (ws maxPayload). */
  linkMessageBytesMax: 2_228_224,
  /** Frames in one link message. Past it: the link is closed; senders begin another message. */
  linkFramesPerMessageMax: 16_384,
  /** Bytes that may wait in a link’s send buffer before `flowing` becomes `congested`. */
  linkBufferBytesHigh: 1_048_576,
  /** Bytes that may wait before sends over the link are refused with UNREACHABLE. */
  linkBufferBytesMax: 16_777_216,
  /** From TCP accept to `ready`. Past it: the connection is cut. */
  linkHandshakeMsMax: 5_000,
  /** Links in the handshake at once. Past it: the oldest of the source that has most of them is cut. */
  linkHandshakesMax: 128,
  /**
   * Of these from one address. Past it: its oldest is cut. High enough for a rack behind one NAT that comes up at once.
   */
  linkHandshakesPerSourceMax: 64,
  /** Accepted connections of one node id between upgrade and `ready`. Past it: the oldest of them is cut. */
  linkGreetingsPerPeerMax: 8,
  /** Connections of links per node. Past it: new ones are refused; who should be dialled waits until one ends. */
  linksMax: 1_024,
  /** How long a link that was replaced by another goes on being read. */
  linkRetireMs: 1_000,
  /** From a refusal because an identity is revoked to the next dial: nothing but an operator can change it. */
  revokedRedialMs: 60_000,
  /** And how long at most, while something still arrives on it or waits to be sent. */
  linkRetireMsMax: 15_000,
  /** After a renewal of the certificate links are replaced one after the other, so far apart. */
  linkRenewalSpreadMs: 50,
  /** How long a link that is to be replaced has for that until it is tried again; and how often a peer may ask for it. */
  linkRenewalPauseMs: 5_000,
  /** A link that heard nothing for this long is closed. */
  linkSilenceMsMax: 15_000,
  /** A link that took nothing of what waits to be written for this long is closed: its peer does not read. */
  linkStallMsMax: 60_000,
  /** How often a heartbeat goes out on an idle link. */
  linkHeartbeatMs: 5_000,

  /** Levels of objects and arrays in plain data between actors of two nodes. Past it: refused to the sender, denied. */
  plainDepthMax: 32,
  /** Values in it, nested ones and keys’ included. Past it: as above. */
  plainValuesMax: 65_535,
  /** The address of an actor on the wire, in bytes. Past it: refused to the sender, malformed from a peer. */
  actorPathBytesMax: 1_024,
  /**
   * What may be on its way to another node’s actors and not yet acknowledged, with `actorPacketBytes` for each packet.
   * Past it: `tell`, `ask` and answers are refused with INBOX_FULL.
   */
  actorWindowBytes: 4_194_304,
  /** And how many packets: a burst of them fits a node’s half of an inbox. */
  actorWindowPackets: 2_048,
  /** With what ends things (the end of a life, a refusal), which must not be lost. Past it: the node counts as lost. */
  actorWindowBytesMax: 16_777_216,
  /** What a packet counts beside its bytes. */
  actorPacketBytes: 64,
  /** Packets, and bytes in the window, after which the receiver acknowledges; at the latest after the time. */
  actorAckPackets: 64,
  actorAckBytes: 262_144,
  actorAckMs: 50,
  /** How long a node whose link broke has to come back before it counts as lost. */
  actorResumeMs: 5_000,
  /** Questions under way between two nodes, in each direction. Past it: refused. */
  asksPerNodeMax: 16_384,
  /** Memory that messages of one node may take in one actor’s inbox. Past it: refused to the sender. */
  inboxBytesPerNodeMax: 16_777_216,
  /** Entries in what a node opens to others. Past it: the node does not start. */
  exposedActorsMax: 1_024,

  /** A gossip datagram, sealed. Past it: not sent; received ones are dropped unread. */
  datagramBytesMax: 1_400,
  /**
   * What goes to an address that a member claims and from which it was never heard: first so much, then so much for each
   * byte that the member sends and for each second, saved up to a most. Past it: not sent, but counted.
   */
  unprovenBytesFirst: 4_200,
  unprovenBytesPerByte: 3,
  unprovenBytesPerSecond: 16,
  unprovenBytesMax: 8_400,
  /** Claims in one datagram. Past it: malformed. */
  datagramClaimsMax: 64,
  /** Names of peers that are being looked up at once: half of libuv’s threads. Past it: the datagram is lost. */
  namesLookedUpAtOnceMax: 2,
  /** Datagrams that wait for one name. Past it: lost. */
  nameLookupWaitersMax: 64,
  /** Names whose address, or failure, is kept. Past it: the one used least lately goes. */
  namesLookedUpMax: 1_024,
  /** How long it is kept. */
  nameLookupMs: 30_000,
  /** Members that a node remembers, dead ones included. Past it: newcomers are refused. */
  membersMax: 16_384,
  /** Accusers in one death certificate. */
  suspicionsMax: 8,
  /** Counters remembered behind the newest one of a sender’s boot (RFC 6479’s window). */
  replayWindowCounters: 8_128,
  /** A push/pull document over a link. Past it: the link is closed. */
  pushPullBytesMax: 1_048_576,
  /** Certificates in one push/pull document. Past it: malformed. */
  pushPullEntriesMax: 4_096,
  /** Addresses that one member may claim. */
  addressesMax: 8,
  /** The signed body of one claim. Past it: malformed. */
  claimBytesMax: 4_096,
  /** Claims in a push/pull document. Past it: malformed; a writer leaves the rest to the next exchange. */
  pushPullClaimsMax: 16_384,
  /** How often the members are written to the store at most, however much changes: a crash loses so much of them. */
  gossipSnapshotMs: 5_000,
  /** Pages of members in the store, each half a push/pull document. Past it: a restart learns the rest from others. */
  gossipSnapshotPagesMax: 128,
  /** Claims that wait to be gossiped. Past it: the one sent most often goes; push/pull still carries it. */
  broadcastsMax: 4_096,
  /** Probes under way, relayed ones included. Past it: requests to relay are ignored. */
  probesMax: 1_024,
  /**
   * Probes for one member within a probe interval, which each cost the probed one’s patience with this node. Past it: its
   * requests are ignored.
   */
  relaysPerRequesterMax: 32,
  /** Nodes whose directory entry was asked for within one probe interval. Past it: not asked. */
  directoryAsksMax: 64,
  /** Signatures of claims that were found good and need not be checked again. Past it: the one used least lately goes. */
  claimSignaturesKnownMax: 32_768,
  /** Bad signatures in one packet or push/pull document. Past it: the claims behind are dropped unread. */
  claimForgeriesMax: 32,
  /** Refused certificates in one push/pull document. Past it: the entries behind are dropped unread. */
  directoryRefusalsMax: 64,

  /** The phases of a node’s stop (`node-stop.ts`). Past it: what has not ended is cut, and the next phase begins. */
  stopAcceptingMsMax: 5_000,
  stopDrainingMsMax: 15_000,
  stopLeavingMsMax: 3_000,
  stopFlushingMsMax: 4_000,
  stopClosingMsMax: 2_000,
  /** All of them: whoever starts nodes must wait this long before it kills one. */
  stopMsMax: 29_000,

  /** User messages waiting in one inbox. Past it: refused to the sender. */
  inboxMessagesMax: 4_096,
  /** Control and supervision messages that actors may put into one inbox. Past it: refused to the sender. */
  urgentMessagesMax: 65_536,
  /** Senders that wait for room in one inbox. Past it: refused. */
  inboxWaitersMax: 1_024,
  /** A turn that takes this long is reported with the actor’s path; at least this long apart for one actor. */
  slowTurnMs: 100,
  slowTurnReportMs: 60_000,
  /** Actors whose last report of a slow turn is remembered. Past it: the one reported longest ago goes. */
  slowTurnActorsMax: 1_024,
  /** Dead letters for one reason that are logged one by one; then only their number, once in the pause. */
  deadLettersLoggedMax: 10,
  deadLettersPauseMs: 300_000,
  /** Monitors that one actor may hold, and that one other node may hold here. Past it: refused. */
  monitorsMax: 65_536,
  /** Names of actors, and actors in all process groups, of one kernel. Past it: refused. */
  actorNamesMax: 131_072,
  /** Messages that one actor may handle in one turn before others run. */
  turnMessagesMax: 64,
  /** Time of one scheduler slice before timers and sockets run. */
  sliceMsMax: 8,
  /** Turns in one scheduler slice, for clocks that stand still. */
  sliceTurnsMax: 4_096,
  /** Steps that a chart may take by itself for one event, if it names no bound. Past it: it crashes. */
  chartStepsMax: 10_000,
  /** Types of events that a machine nowhere names and is given all the same. Past it: a new one is a dead letter. */
  chartEventTypesMax: 10_000,
  /** Characters of such a type. Past it: the event is a dead letter. */
  chartEventTypeCharsMax: 256,
  /** Children of one supervisor. Past it: a new one is refused with LIMIT_EXCEEDED. */
  childrenMax: 131_072,
  /** Specs in one tree that is started or added. Past it: refused with SUPERVISION. */
  treeSpecsMax: 262_144,
  /** Supervisors above an actor. Past it: the tree is refused with SUPERVISION. */
  treeDepthMax: 32,
  /** Series of one metrics registry. Past it: a new series is not kept, and counted as dropped. */
  metricSeriesMax: 4_096,
  /** Dead letters kept for inspection. Past it: the oldest goes. */
  deadLettersMax: 1_000,
  /** Restart history kept for one supervisor. */
  restartsRememberedMax: 1_000,
  /** Orders to suspend that are in force in one kernel. Past it: refused. */
  suspensionsMax: 4_096,
  /** The stored snapshot of one chart. Past it: not saved, or refused unread. */
  snapshotBytesMax: 1_048_576,
  /** Levels of objects and arrays in it. Past it: not saved, or refused. */
  snapshotDepthMax: 64,
  /** Delayed events that wait in one stored chart. Past it: not saved, or refused. */
  snapshotTimersMax: 4_096,
  /** One request to the store of snapshots. Past it: given up with TIMED_OUT. */
  snapshotStoreMsMax: 10_000,
  /** From a save that failed to the next attempt. */
  snapshotRetryMs: 5_000,

  /** A certificate in DER, with its intermediates behind it. Past it: refused unread. */
  certificateBytesMax: 8_192,
  /** Certificates of a chain that a peer shows, the root not counted: more is refused before anything is verified. */
  chainCertificatesMax: 4,
  /** Chains of peers that are kept as they were read, at least; twice as many at most, some kilobytes each. */
  chainsKeptMin: 256,
  /**
   * Intermediates between a node’s certificate and the root: an offline root, an online CA below it, and no more. While roots
   * are rotated, the next root as the old one has signed it may stand above that; it is not counted.
   */
  intermediatesMax: 1,
  /** Certificates among which `caxton security verify` looks for a path. */
  poolMax: 64,
  /** Roots of the cluster’s bundle: the old one and the next, with room. Past it: the notice is refused. */
  rootsMax: 4,
  /** A root’s certificate in base64. Past it: the notice is refused. */
  rootCertificateCharsMax: 4_096,
  /** Members that one bundle names as locked out. */
  rootsLockedOutMax: 1_024,
  /** A member’s acknowledgement of a bundle, before it is signed. Past it: refused unread. */
  acknowledgementCharsMax: 16_384,
  /** Acknowledgements that one peer may send in a minute, and at once. Past it: dropped unread. */
  acknowledgementsPerMinuteMax: 120,
  acknowledgementsAtOnceMax: 60,
  /** How far ahead of this node’s clock a member’s may be in it. Past it: refused. */
  acknowledgementSkewMsMax: 300_000,
  /** After a bundle that wants certificates under another root: until this node asks for its own. */
  rootRenewalDelayMs: 250,
  /** CA certificates of one trust bundle: those of a root rotation, with room. */
  bundleCertificatesMax: 16,
  /** The longest life that the command line gives a certificate: a hundred years. */
  certificateLifetimeMsMax: 3_153_600_000_000,
  /** A revocation list in DER: about 30,000 serials. */
  certificateListBytesMax: 1_048_576,
  /** DNS names and IP addresses that one certificate is issued for. */
  altNamesMax: 64,
  /** A CA key’s passphrase. */
  passphraseCharsMin: 8,
  passphraseCharsMax: 1_024,
  /** A request for a certificate (PKCS #10) in DER. Past it: refused unread. */
  signingRequestBytesMax: 4_096,
  /** How long a CA node may take to answer. Past it: the next one is asked. */
  issuanceAnswerMsMax: 10_000,
  /** How long a start waits for the certificate of a node that may give itself one. Past it: the start fails. */
  ownCertificateStartMs: 60_000,
  /** Certificates that one CA node issues to one peer in a minute, and at once after a pause. Past it: refused. */
  issuancesPerMinuteMax: 60,
  issuancesAtOnceMax: 20,
  /** The text of a join token. Past it: refused unread. */
  joinTokenCharsMax: 8_192,
  /** Join tokens of one node that are not over. Past it: a new one is refused. */
  joinTokensMax: 256,
  /** Members whose addresses a newcomer is told. */
  joinFactsMembersMax: 64,
  /** How long a CA node may take to tell a newcomer what members know. */
  joinAnswerMsMax: 10_000,
  /** How long a join token may be good for. */
  joinTokenMsMax: 604_800_000,
  /** Certificates of one node that have not ended, or not long ago, at one CA node. Past it: no more are issued to it. */
  issuedCertificatesMax: 256,
  /** How long after its end a node may enrol again with its certificate, at most. */
  reenrolmentMsMax: 2_592_000_000,
  /** What is read of a CA node’s answer to that. Past it: refused. */
  enrolmentAnswerBytesMax: 262_144,
  /** Sources whose attempts to enrol are counted. Past it: newcomers are refused. */
  enrolmentSourcesMax: 4_096,
  /** A private key’s or keyring’s file. */
  pemBytesMax: 16_384,
  /** Gossip keys held at once. Past it: the oldest of those that seal no more is dropped. */
  gossipKeysMax: 8,
  /** How much longer each next member waits to propose a gossip key, should those before it be lost. */
  gossipKeyFallbackMs: 15_000,
  /** How long a new gossip key waits for live members that do not confirm it. Past it: a quorum is enough. */
  gossipKeyGraceMs: 30_000,
  /** How long a gossip key opens datagrams after it has sealed last: at least, and at most while members lag behind. */
  gossipKeyRetireMs: 60_000,
  gossipKeyRetireMsMax: 600_000,
  /** How long a peer may take to give a gossip key. Past it: the next is asked. */
  gossipKeyAskMs: 2_000,
  /** How long gossip keys may take to be kept. Past it: the node goes on without, and says so. */
  gossipKeySaveMsMax: 5_000,
  /** Proposals of one epoch that a node takes in a row. Past it: one as often as one could be confirmed. */
  gossipKeyCandidatesMax: 8,
  /** Epochs that a node lets itself be led at once; each takes this long to be earned. The last one is decades away. */
  gossipKeyEpochsMax: 1_048_576,
  gossipKeyEpochMs: 100,
  /** Switches in a row; each takes this long to be earned, or half of the interval. Past it: later, unless revoked. */
  gossipKeySwitchesMax: 16,
  gossipKeySwitchMs: 60_000,
  /** Keys in a vault, the current one included. Past it: a rotation is refused until an old one is dropped. */
  vaultKeysMax: 32,

  /** A capability token. */
  tokenBytesMax: 8_192,
  /** Actions granted by one token. */
  tokenActionsMax: 64,
  /** Links in a chain of delegation. */
  proofDepthMax: 8,
  /** An action pattern such as `request agent:default/*`. */
  actionCharsMax: 256,
  /** Levels of objects and arrays in a signed document or an audit record. */
  documentDepthMax: 12,
  /** Receiver policies in one set. */
  policiesMax: 4_096,
  /** Senders, operations or rates in one policy; performatives, protocols or ontologies in one operation. */
  policyEntriesMax: 256,
  /** Messages, and the burst, that one rate may allow in its period. */
  rateCountMax: 1_000_000,
  /** Nodes in a manifest’s placement. */
  placementNodesMax: 256,
  /**
   * Removals of its own agents that a node remembers for members who have not heard of them. Past it: the oldest is
   * forgotten, and who has not heard of it by then is told everything anew.
   */
  registryRemovalsMax: 65_536,
  /** How long a node collects before it acknowledges registry records. */
  registryAckMs: 50,
  /** From one time that a peer is told registry records again, because it asked, to the next. */
  registryRepeatMs: 1_000,
  /** Services that one agent offers. */
  servicesMax: 32,
  /** Services whose turn (`?pick=rr`) a node remembers. Past it: the one asked for longest ago begins anew. */
  serviceTurnsMax: 4_096,
  /** Keys of one kind in the trust bundle. */
  trustKeysMax: 64,
  /** A notice, as the text that is signed. */
  noticeBytesMax: 1_000_000,
  /** Revocations in one notice, and all that are in force. Past it: the notice is refused, and what is in force stays. */
  revocationsMax: 4_096,
  /** Roles of the cluster, beside the built-in ones. Past it: the notice is refused. */
  rolesMax: 1_024,
  /** Bindings of roles to subjects; subjects and resources of one binding; a subject as text. */
  roleBindingsMax: 1_024,
  roleSubjectsMax: 256,
  roleResourcesMax: 32,
  roleSubjectCharsMax: 2_048,
  /** Nodes that may be suspended at once. */
  suspendedNodesMax: 1_024,
  /**
   * How far above the generation in force (0 when there is none) the next of a kind may be. Past it: refused, since the
   * highest number there is would leave nothing higher for ever. At the rate at which a member may give notices, it takes
   * decades to get there in steps of this.
   */
  noticeGenerationStepMax: 1_048_576,
  /** Past trust notices kept for members that were away. Past it: the oldest goes, and who needs it needs an operator. */
  noticesEarlierMax: 64,
  /** Other documents of one kind and generation that are kept beside the first. Past it: dropped; the alarm stands. */
  noticeRivalsMax: 3,
  /** Documents in one answer to a member that asks. Past it: the link is closed. */
  noticesPerAnswerMax: 128,
  /** Documents of one answer that had to be refused. Past it: the ones behind are dropped unread. */
  noticeRefusalsMax: 8,
  /** What somebody’s error says, in UTF-16 units, as part of a reason. Past it: cut. */
  reasonCharsMax: 1_000,
  /** A stack in the log, in UTF-16 units. Past it: cut. */
  logStackCharsMax: 8_192,
  /** Reasons collected in one refusal. */
  reasonsMax: 16,
  /** A deployment manifest with its signature. */
  manifestBytesMax: 65_536,
  /** Agents hosted by one node, and deployments that wait for their turn. Past it: refused. */
  agentsMax: 100_000,
  /** Private keys of agents that are at hand for the next signature. Past it: one is worked out again, in 60 µs. */
  agentKeysAtHandMax: 256,
  /** Deployments and removals under way at once: as many as one sync of the audit log takes. Past it: they wait. */
  deploymentsAtOnceMax: 1_024,
  /** Of these that begin in one round of the event loop: some milliseconds of signatures. Past it: the next round. */
  deploymentsPerRoundMax: 32,
  /** From the import of an agent’s module until it has loaded. Past it: the deployment is refused. */
  agentLoadMsMax: 5_000,
  /** Keys in the rate limiter’s table. Past it: newcomers are refused. */
  rateLimitKeysMax: 65_536,
  /** Requests that wait for an answer, per node. Past it: refused. */
  pendingAsksMax: 65_536,
  /** Requests that ended without an answer and are remembered, for the answer may still come. At most twice as many. */
  endedAsksKeptMin: 4_096,
  /** An ask’s time. */
  askMsMax: 3_600_000,
  /** Clock difference between nodes that times are forgiven. */
  clockSkewMsMax: 60_000,

  /** One audit record as a line. Past it: metadata is cut and the cut is marked. */
  auditRecordBytesMax: 16_384,
  /** Metadata entries in one audit record. Past it: the rest is cut and the cut is marked. */
  auditMetadataMax: 32,
  /** Different class B events counted at once. Past it: counted together, under the type alone. */
  auditAggregateKeysMax: 4_096,
  /** Denials of one source for one reason that are written in full in one window; the rest is counted. */
  auditDenialsInFullMax: 8,
  /** Denials of all sources that are written in full in one window; the rest is counted. */
  auditDenialsInFullTotalMax: 512,
  /** Sources and reasons counted apart in one window. Past it: counted together, under the type alone. */
  auditDenialKeysMax: 1_024,
  /** Acts that wait while the audit writer restarts. Past it: AUDIT_BLOCKED. */
  auditQueueRecordsMax: 10_000,
  /** Receivers of the audit log. More are refused in the configuration. */
  siemDestinationsMax: 8,
  /** Audit records handed to a receiver at once. */
  siemBatchRecordsMax: 256,
  /** Records that a syslog receiver may have without having confirmed them: what is sent again after a failure. */
  siemUnconfirmedRecordsMax: 65_536,
  /** How long records that a syslog receiver has not confirmed may wait for that. */
  siemConfirmMs: 10_000,
  /** How long a syslog receiver is watched after it was given records: one that refuses us ends the connection. */
  siemSettleMs: 1_000,
  /** How long a receiver may take to connect, to take a batch and to confirm. Past it: a failure, and again. */
  siemConnectMs: 10_000,
  siemSendMs: 120_000,
  siemConfirmWaitMs: 60_000,
  /** The longest pause that a receiver can ask for. Past it: this. */
  siemRetryAfterMsMax: 300_000,
  /** A failure that lasts is told again after this long. */
  siemRepeatMs: 3_600_000,
  /** Records that a destination is told to leave out. More are refused in the configuration. */
  siemSkippedMax: 1_024,
  /** What is read of a receiver’s answer. Past it: the connection is cut. */
  siemAnswerBytesMax: 65_536,
  /** How long an act waits for its record while the audit writer restarts. Past it: AUDIT_BLOCKED. */
  auditWaitMsMax: 10_000,
  /** Audit records written before one sync. */
  auditBatchRecordsMax: 4_096,
  /** The records of one block, before it is sealed. Past it: they are written in several, each with a sync. */
  auditBlockBytesMax: 2_097_152,
  /** Records checked before others run. */
  auditStretchRecordsMax: 2_048,
  /** A segment file of the audit log. Past it: the next one begins. */
  auditSegmentBytesMax: 8_388_608,
  /** What is read of a segment file. Past it: it is none, for a segment ends with the first block past its bound. */
  auditSegmentFileBytesMax: 12_582_912,
  /** Sealed bytes that are tried behind a block that does not open, to tell whether a crash tore it. Past it: it was changed. */
  auditTriedBytesMax: 67_108_864,
  /** Disk that is kept free for class A; given to it when the disk is full. */
  auditReserveBytes: 1_048_576,
  /** How often a log that lives on its reserve looks whether there is room again. */
  auditReserveRetryMs: 5_000,
  /** How often closed segments are compressed or retired, and the vault’s key ring is read again. */
  auditUpkeepMs: 60_000,
  /** Repetitions are counted together for this long; what was not written yet is lost with the process. */
  auditAggregateWindowMs: 60_000,
  /** Denials beyond the first ones are counted together for this long. */
  auditDenialWindowMs: 60_000,
  /** Hashes in a proof of the audit log’s tree: its depth at 2⁵³ records and ten over, C2SP’s bound. Past it: refused. */
  treeProofHashesMax: 63,
  /** A signed note, such as a checkpoint, in UTF-16 units. Past it: refused. */
  noteCharsMax: 16_384,
  /** Signatures under one note; C2SP wants 16 at least. Past it: refused. */
  noteSignaturesMax: 32,
  /** The name of a key in a note, in UTF-16 units: the longest trust domain and node id fit. Past it: refused. */
  noteKeyNameCharsMax: 350,
  /** Checkpoints of one peer’s log that wait to be judged here. Past it: not answered. */
  witnessRequestsPerPeerMax: 4,
  /** Witnesses that a node asks to countersign its audit log. */
  auditWitnessesMax: 3,
  /** Leaves kept in memory for the proofs that witnesses need; a witness that is further behind makes the log be read. */
  auditLeavesKeptMax: 65_536,
  /** A log that grew has itself countersigned after this long, or as soon as so many records came; not sooner than that. */
  checkpointMs: 1_000,
  checkpointRecordsMax: 1_000,
  checkpointPauseMs: 100,
  /** A checkpoint is kept for later after this long, if there is a new one, or after 1,000 records and this pause. */
  checkpointArchiveMs: 3_600_000,
  checkpointArchivePauseMs: 60_000,
  /** The kept ones together. Past it: every second of the older half goes, until half of this is left. */
  checkpointFileBytesMax: 8_388_608,
  /** How often those are taken out whose records retention removed. */
  checkpointPruneMs: 86_400_000,
  /** A checkpoint with all certificates, as one line. */
  checkpointEvidenceCharsMax: 524_288,
  /** How long a witness may take to answer. */
  witnessAnswerMsMax: 2_000,
  /** A log that grew and that nobody countersigned for this long says so. */
  unwitnessedMsMax: 60_000,
  /** Requests that wait for the state database. Past it: refused. */
  storeRequestsMax: 65_536,
  /** One value in the state database. Past it: refused. */
  storeValueBytesMax: 16_777_216,
  /** Addresses of members in `cluster.join`. Past it: the configuration is refused. */
  joinAddressesMax: 256,
  /** Lines of the operational log that wait for whoever reads it. Past it: dropped, and counted. */
  logWaitingBytesMax: 1_048_576,
  /** A request body of the management API. */
  apiBodyBytesMax: 1_310_720,
  /** TCP connections to the management API at once. Past it: the oldest idle one of the source with most of them is cut. */
  apiConnectionsMax: 512,
  /** Requests under way in one HTTP/2 connection. Past it: the client waits. */
  apiStreamsMax: 128,
  /** From TCP accept to the end of the TLS handshake with the API. Past it: the connection is cut. */
  apiHandshakeMsMax: 5_000,
  /** From the start of a request to the end of its header. Past it: 408 and the connection is cut. */
  apiHeaderMsMax: 10_000,
  /** From the start of a request to the end of its body. Past it: 408 and the connection is cut. */
  apiRequestMsMax: 30_000,
  /** Header fields of one request, names and values. Past it: refused. */
  apiHeaderBytesMax: 16_384,
  /** How often the files of a certificate that only the API has are looked at. */
  apiCertificateCheckMs: 60_000,
  /** How long requests under way may take once the API stops. Past it: they are cut. */
  apiDrainMsMax: 3_000,
  /** Records in one answer of the API. */
  apiRecordsMax: 1_000,
  /** Logins remembered, so that one is not audited with each request. Past it: the oldest is audited again. */
  apiLoginsMax: 4_096,
  /** API keys of a file, and of the cluster. Past it: the file, or the notice, is refused. */
  apiKeysMax: 1_024,
  /** Secrets of one API key: the present one, and those before it that still count. */
  apiKeySecretsMax: 4,
  /** Roles that an API key brings, and its name for people, in UTF-16 units. */
  apiKeyRolesMax: 16,
  apiKeyNameCharsMax: 128,
  /** An answer that the client reads. Past it: LIMIT_EXCEEDED. */
  apiAnswerBytesMax: 67_108_864,
  /** A client’s profile.json, CA or API-key file. */
  profileBytesMax: 65_536,
  /** A file of checkpoints that `caxton audit verify --evidence` reads whole. Past it: refused. */
  evidenceFileBytesMax: 268_435_456,
  /** A configuration file. */
  configBytesMax: 1_048_576,

  /** The testing kit: datagrams on their way to one socket of the memory network. Past it: lost. */
  memoryDatagramsMax: 4_096,
  /** The testing kit: bytes under way or unread in one direction of a memory link. Past it: they wait at the sender. */
  memoryLinkBytesMax: 262_144,
} as const;

const frameOverheadBytes = 12;

const relations: readonly [string, boolean][] = [
  [
    'the phases of a stop come to its whole time, which is less than the 30 s of a usual service manager',
    limits.stopMsMax < 30_000 &&
      limits.stopMsMax ===
        limits.stopAcceptingMsMax +
          limits.stopDrainingMsMax +
          limits.stopLeavingMsMax +
          limits.stopFlushingMsMax +
          limits.stopClosingMsMax,
  ],
  ['requests under way have their time when a node stops', limits.stopAcceptingMsMax > limits.apiDrainMsMax],
  [
    'the deployments under way find room in the audit queue and in the store’s, several requests each',
    limits.auditQueueRecordsMax >= 4 * limits.deploymentsAtOnceMax &&
      limits.storeRequestsMax >= 8 * limits.deploymentsAtOnceMax,
  ],
  [
    'a frame holds the largest header and content',
    limits.frameBytesMax >= frameOverheadBytes + limits.headerBytesMax + limits.contentBytesMax,
  ],
  ['a link message holds the largest frame', limits.linkMessageBytesMax >= limits.frameBytesMax],
  ['a push/pull fits a frame', limits.frameBytesMax >= frameOverheadBytes + limits.pushPullBytesMax],
  ['a notice fits a frame and a request body', limits.contentBytesMax >= limits.noticeBytesMax],
  [
    'the largest revocations fit a notice',
    limits.noticeBytesMax >= Math.ceil((limits.revocationsMax * 140 + 1_024) / 3) * 4,
  ],
  [
    'all that is kept of one kind of notice fits an answer and the state database',
    limits.noticesPerAnswerMax >= limits.noticesEarlierMax + 7 * (limits.noticeRivalsMax + 1) &&
      limits.storeValueBytesMax >= (limits.noticeRivalsMax + 2) * limits.noticeBytesMax,
  ],
  ['a link’s buffer holds more than its high mark', limits.linkBufferBytesMax > limits.linkBufferBytesHigh],
  ['the largest message between actors fits their window', limits.actorWindowBytes >= 2 * limits.frameBytesMax],
  [
    'the end of everything between two nodes has room',
    limits.actorWindowBytesMax >= limits.actorWindowBytes + 128 * (limits.monitorsMax + limits.asksPerNodeMax),
  ],
  ['a burst between actors fits half of an inbox', 2 * limits.actorWindowPackets <= limits.inboxMessagesMax],
  ['acknowledgements come before the window is full', limits.actorWindowBytes >= 4 * limits.actorAckBytes],
  ['an inbox takes the largest message of another node', limits.inboxBytesPerNodeMax >= 8 * limits.contentBytesMax],
  ['two heartbeats may be lost', limits.linkSilenceMsMax >= 3 * limits.linkHeartbeatMs],
  ['two claims of the largest size fit a push/pull', limits.pushPullBytesMax >= 4 * limits.claimBytesMax],
  ['a datagram’s claims are fewer than wait', limits.broadcastsMax > limits.datagramClaimsMax],
  ['a stored snapshot fits the state database', limits.storeValueBytesMax >= limits.snapshotBytesMax],
  [
    'a gossip key has its grace before the next proposal could take its place',
    limits.gossipKeyFallbackMs < limits.gossipKeyGraceMs,
  ],
  ['an old gossip key opens longer than a new one waits', limits.gossipKeyRetireMs > limits.gossipKeyGraceMs],
  ['a token fits a header', limits.headerBytesMax > limits.tokenBytesMax],
  ['a request body holds the largest content', limits.apiBodyBytesMax >= limits.contentBytesMax],
  [
    'an answer holds the largest content, every character escaped',
    limits.apiAnswerBytesMax >= 6 * limits.contentBytesMax,
  ],
  [
    'a segment file that is read holds a segment with the largest block behind it',
    limits.auditSegmentFileBytesMax >= limits.auditSegmentBytesMax + 2 * limits.auditBlockBytesMax,
  ],
  [
    'behind a torn block, what a whole segment holds is tried',
    limits.auditTriedBytesMax >= limits.auditSegmentFileBytesMax,
  ],
  ['a block holds the longest record', limits.auditBlockBytesMax >= 8 * limits.auditRecordBytesMax],
  [
    'an answer holds its audit records',
    limits.apiAnswerBytesMax >= 2 * limits.apiRecordsMax * limits.auditRecordBytesMax,
  ],
];
for (const [claim, holds] of relations) if (!holds) throw new Error(`limits.ts: it no longer holds that ${claim}`);
