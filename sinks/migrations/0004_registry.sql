-- The registry as it is published: every version of every row, and the markers that end an import. The rows of an
-- import count when its markers stand in both topics, so that an import is whole or nothing here too.
CREATE TABLE IF NOT EXISTS registry_sensors ${on_cluster}
(
    sensor_id      String COMMENT 'The sensor',
    version        UInt32 COMMENT 'Version of the registry in which the row became so',
    import_id      String COMMENT 'The import that wrote the row; it counts with the marker of its import',
    deleted        Bool COMMENT 'Is the sensor gone with this version',
    kind           LowCardinality(String) COMMENT 'Kind of its readings',
    name           String COMMENT 'Name for people',
    zone           LowCardinality(String) COMMENT 'Zone path: city/district/street/community/grid',
    department     LowCardinality(String) COMMENT 'Department that owns it',
    lat            Nullable(Float64) COMMENT 'Latitude, WGS 84 degrees',
    lon            Nullable(Float64) COMMENT 'Longitude, WGS 84 degrees',
    asset_id       String COMMENT 'Asset that it watches; empty if none',
    profile        LowCardinality(String) COMMENT 'Which rules apply: underpass, manhole, river, low-pressure, …',
    attributes     Map(String, String) COMMENT 'The free key=value columns: attributes[''crown_m'']',
    log_generation LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_offset     UInt64 COMMENT 'Offset in the topic registry.sensors',
    stored_at      DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here'
)
ENGINE = ${engine ReplacingMergeTree stored_at}
ORDER BY (sensor_id, version, import_id)
SETTINGS ${deduplication}
COMMENT 'Every version of every sensor; the present ones are in the dictionary sensors';

CREATE TABLE IF NOT EXISTS registry_assets ${on_cluster}
(
    asset_id        String COMMENT 'The asset',
    version         UInt32 COMMENT 'Version of the registry in which the row became so',
    import_id       String COMMENT 'The import that wrote the row; it counts with the marker of its import',
    deleted         Bool COMMENT 'Is the asset gone with this version',
    type            LowCardinality(String) COMMENT 'pipe, bridge, underpass, manhole, …',
    name            String COMMENT 'Name for people',
    zone            LowCardinality(String) COMMENT 'Zone path: city/district/street/community/grid',
    owner           LowCardinality(String) COMMENT 'Who owns it',
    lead_department LowCardinality(String) COMMENT 'Department that answers for it',
    geometry_wkt    String COMMENT 'WKT in WGS 84, longitude first' CODEC(ZSTD(3)),
    risk_grade      LowCardinality(String) COMMENT 'Grade of risk; empty: not graded',
    risk_point      Bool COMMENT 'Is it a risk point, on which coverage is counted',
    log_generation  LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_offset      UInt64 COMMENT 'Offset in the topic registry.assets',
    stored_at       DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here'
)
ENGINE = ${engine ReplacingMergeTree stored_at}
ORDER BY (asset_id, version, import_id)
SETTINGS ${deduplication}
COMMENT 'Every version of every asset; the present ones are in the view assets';

CREATE TABLE IF NOT EXISTS registry_markers ${on_cluster}
(
    topic          LowCardinality(String) COMMENT 'registry.sensors or registry.assets',
    version        UInt32 COMMENT 'Version of the registry that the import made',
    import_id      String COMMENT 'The import that ends here',
    rows           UInt32 COMMENT 'Rows that it wrote to this topic',
    author         String COMMENT 'Who imported',
    imported_at    DateTime64(3, 'UTC') COMMENT 'When it was imported',
    log_generation LowCardinality(String) COMMENT 'Id of the Kafka topic; a topic made anew has another',
    log_offset     UInt64 COMMENT 'Offset in the topic',
    stored_at      DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was stored here'
)
ENGINE = ${engine ReplacingMergeTree stored_at}
ORDER BY (topic, version, import_id)
SETTINGS ${deduplication}
COMMENT 'Ends of imports; query the view registry_versions instead';

-- of two imports that made the same version, the first in the log counts
CREATE OR REPLACE VIEW registry_versions ${on_cluster} AS
SELECT
    version, earliest.1 AS import_id, any(earliest.2) AS author, any(earliest.3) AS imported_at, sum(earliest.4) AS rows
FROM
(
    SELECT topic, version, argMin(tuple(import_id, author, imported_at, rows), log_offset) AS earliest
    FROM registry_markers
    GROUP BY topic, version
)
GROUP BY version, import_id
HAVING count() = 2
COMMENT 'The versions of the registry that are whole';

CREATE OR REPLACE VIEW registered_sensors ${on_cluster} AS
SELECT
    sensor_id, row.1 AS kind, row.2 AS name, row.3 AS zone, parts[1] AS city, parts[2] AS district,
    parts[3] AS street, parts[4] AS community, parts[5] AS grid, row.4 AS department, row.5 AS lat, row.6 AS lon,
    row.7 AS asset_id, row.8 AS profile, row.9 AS attributes, row_version AS version
FROM
(
    SELECT
        sensor_id,
        argMax(tuple(kind, name, zone, department, lat, lon, asset_id, profile, attributes, deleted), registry_sensors.version) AS row,
        max(registry_sensors.version) AS row_version,
        splitByChar('/', row.3) AS parts
    FROM registry_sensors
    WHERE import_id IN (SELECT import_id FROM registry_versions)
    GROUP BY sensor_id
)
WHERE NOT row.10
COMMENT 'The sensors of the newest complete registry; as a dictionary: sensors';

CREATE OR REPLACE VIEW assets ${on_cluster} AS
SELECT
    asset_id, row.1 AS type, row.2 AS name, row.3 AS zone, row.4 AS owner, row.5 AS lead_department,
    row.6 AS geometry_wkt, row.7 AS risk_grade, row.8 AS risk_point, row_version AS version
FROM
(
    SELECT
        asset_id,
        argMax(tuple(type, name, zone, owner, lead_department, geometry_wkt, risk_grade, risk_point, deleted), registry_assets.version) AS row,
        max(registry_assets.version) AS row_version
    FROM registry_assets
    WHERE import_id IN (SELECT import_id FROM registry_versions)
    GROUP BY asset_id
)
WHERE NOT row.9
COMMENT 'The assets of the newest complete registry';

CREATE OR REPLACE DICTIONARY sensors ${on_cluster}
(
    sensor_id  String,
    kind       String,
    name       String,
    zone       String,
    city       String,
    district   String,
    street     String,
    community  String,
    grid       String,
    department String,
    lat        Nullable(Float64),
    lon        Nullable(Float64),
    asset_id   String,
    profile    String,
    version    UInt32
)
PRIMARY KEY sensor_id
SOURCE(${dictionary_source SELECT sensor_id, kind, name, zone, city, district, street, community, grid, department, lat, lon, asset_id, profile, version FROM {database}.registered_sensors})
LIFETIME(MIN 30 MAX 60)
LAYOUT(COMPLEX_KEY_HASHED())
COMMENT 'The present sensors: dictGet(''sensors'', ''district'', sensor_id)';

CREATE OR REPLACE DICTIONARY zones ${on_cluster}
(
    zone      String,
    city      String,
    district  String,
    street    String,
    community String,
    grid      String,
    depth     UInt8,
    name      String,
    sensors   UInt32,
    lat       Nullable(Float64),
    lon       Nullable(Float64)
)
PRIMARY KEY zone
SOURCE(${dictionary_source SELECT arrayStringConcat(parts, '/') AS zone, parts[1] AS city, parts[2] AS district, parts[3] AS street, parts[4] AS community, parts[5] AS grid, toUInt8(length(parts)) AS depth, parts[-1] AS name, toUInt32(count()) AS sensors, avg(lat) AS lat, avg(lon) AS lon FROM (SELECT arrayJoin(arrayMap(n -> arraySlice(splitByChar('/', zone), 1, n), range(1, 1 + length(splitByChar('/', zone))))) AS parts, lat, lon FROM {database}.registered_sensors) GROUP BY parts})
LIFETIME(MIN 30 MAX 60)
LAYOUT(COMPLEX_KEY_HASHED())
COMMENT 'Every zone of every level with its sensors'' number and centre: dictGet(''zones'', ''sensors'', zone)';
