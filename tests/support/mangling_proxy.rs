//! A proxy between rekeyd and the sandbox that spoils replies. Requests always arrive whole.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A reply, as it will be written.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn head(&self, length: usize) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Mangled\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Connection: close\r\nContent-Length: {length}\r\n\r\n");
        head.into_bytes()
    }
}

/// Makes another reply of one, with the help of another operation's.
pub type Edit = dyn Fn(Reply, &Reply) -> Option<Reply> + Send + Sync;

/// What is done to a reply.
#[derive(Clone)]
pub enum How {
    /// The reply is changed; `None` where there is nothing in it to change like that.
    Edit(Arc<Edit>),
    /// These bytes are written instead, and the connection is closed.
    Raw(Vec<u8>),
    /// The body ends half-way, although the head announces all of it.
    CutShort,
    /// The head ends half-way.
    CutHead,
    /// So many spaces stand before the body, which JSON and XML allow.
    Huge(usize),
    /// The body comes byte by byte, and will not be whole for minutes.
    Drip,
}

/// A way to spoil a reply, by a name for people.
#[derive(Clone)]
pub struct Mangle {
    pub name: String,
    pub how: How,
}

#[derive(Default)]
struct Plan {
    /// What is to be done to the next replies to an operation, in this order.
    armed: BTreeMap<String, VecDeque<Mangle>>,
    /// Spoils any reply with this probability, in one of these ways.
    random: Option<(StdRng, f64, Vec<Mangle>)>,
    /// Operation and mangle of every reply that was spoilt.
    done: BTreeSet<(String, String)>,
    /// What could not be done to a reply of that operation.
    inapplicable: BTreeSet<(String, String)>,
    /// The last good reply to each operation.
    last: BTreeMap<String, Reply>,
}

/// A proxy to a sandbox.
pub struct ManglingProxy {
    pub url: String,
    plan: Arc<Mutex<Plan>>,
}

impl ManglingProxy {
    /// Starts one before the server at `upstream` (`http://host:port`).
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = Arc::clone(&plan);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (upstream, plan) = (upstream.clone(), Arc::clone(&shared));
                // A client that has had enough closes its end; that is its right.
                tokio::spawn(async move { serve(stream, &upstream, &plan).await.ok() });
            }
        });
        Self { url, plan }
    }

    /// Adds what is to be done to the replies to an operation.
    pub fn arm(&self, operation: &str, mangles: &[Mangle]) {
        let mut plan = self.plan.lock().unwrap();
        plan.armed
            .entry(operation.to_owned())
            .or_default()
            .extend(mangles.iter().cloned());
    }

    /// Spoils replies at random, always the same for a seed and an order of calls.
    pub fn arm_randomly(&self, seed: u64, probability: f64, mangles: Vec<Mangle>) {
        self.plan.lock().unwrap().random = Some((StdRng::seed_from_u64(seed), probability, mangles));
    }

    /// From now on every reply is as it came.
    pub fn disarm(&self) {
        let mut plan = self.plan.lock().unwrap();
        plan.armed.clear();
        plan.random = None;
    }

    /// How many mangles wait for a reply, by operation.
    pub fn left(&self) -> BTreeMap<String, usize> {
        let plan = self.plan.lock().unwrap();
        let left = plan
            .armed
            .iter()
            .map(|(operation, mangles)| (operation.clone(), mangles.len()));
        left.filter(|(_, left)| *left > 0).collect()
    }

    /// The combinations of operation and mangle that were carried out.
    pub fn done(&self) -> BTreeSet<(String, String)> {
        self.plan.lock().unwrap().done.clone()
    }

    /// The combinations that make no sense, and were not carried out.
    pub fn inapplicable(&self) -> BTreeSet<(String, String)> {
        self.plan.lock().unwrap().inapplicable.clone()
    }
}

async fn serve(stream: TcpStream, upstream: &str, plan: &Mutex<Plan>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (head, body) = read_message(&mut stream).await?;
    let operation = operation(&head, &body);
    let reply = forward(upstream, &head, &body).await?;
    let (reply, how) = mangled(plan, &operation, reply);
    let stream = stream.get_mut();
    let length = reply.body.len();
    match how {
        None | Some(How::Edit(_)) => stream.write_all(&[reply.head(length), reply.body].concat()).await?,
        Some(How::Raw(bytes)) => stream.write_all(&bytes).await?,
        Some(How::CutShort) => {
            stream
                .write_all(&[reply.head(length.max(2)), reply.body[..length / 2].to_vec()].concat())
                .await?;
        }
        Some(How::CutHead) => {
            let head = reply.head(length);
            stream.write_all(&head[..head.len() / 2]).await?;
        }
        Some(How::Huge(spaces)) => {
            stream.write_all(&reply.head(spaces + length)).await?;
            let chunk = vec![b' '; 1 << 20];
            for _ in 0..spaces / chunk.len() {
                stream.write_all(&chunk).await?;
            }
            stream.write_all(&reply.body).await?;
        }
        Some(How::Drip) => {
            stream.write_all(&reply.head(length.max(10_000))).await?;
            for byte in reply.body {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    stream.shutdown().await
}

/// What becomes of a reply, and what was done to it.
fn mangled(plan: &Mutex<Plan>, operation: &str, reply: Reply) -> (Reply, Option<How>) {
    let mut plan = plan.lock().unwrap();
    if reply.status == 200 {
        plan.last.insert(operation.to_owned(), reply.clone());
    }
    loop {
        let armed = plan.armed.get_mut(operation).and_then(VecDeque::pop_front);
        let chosen = armed.or_else(|| {
            let (random, probability, mangles) = plan.random.as_mut()?;
            if random.random_bool(*probability) {
                mangles.choose(random).cloned()
            } else {
                None
            }
        });
        let Some(mangle) = chosen else { return (reply, None) };
        let entry = (operation.to_owned(), mangle.name.clone());
        let json = reply.body.first() == Some(&b'{');
        let other = plan
            .last
            .iter()
            .find(|(known, last)| *known != operation && (last.body.first() == Some(&b'{')) == json)
            .map_or_else(|| reply.clone(), |(_, last)| last.clone());
        let edited = match &mangle.how {
            How::Edit(edit) => edit(reply.clone(), &other),
            _ => Some(reply.clone()),
        };
        match edited {
            Some(edited) => {
                plan.inapplicable.remove(&entry);
                plan.done.insert(entry);
                return (edited, Some(mangle.how));
            }
            None if plan.random.is_some() => return (reply, None),
            None if plan.done.contains(&entry) => {}
            None => drop(plan.inapplicable.insert(entry)),
        }
    }
}

async fn forward(upstream: &str, head: &str, body: &[u8]) -> std::io::Result<Reply> {
    let mut server = TcpStream::connect(upstream).await?;
    let kept = head
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut request = kept.collect::<Vec<_>>().join("\r\n");
    request += "\r\nConnection: close\r\n\r\n";
    server.write_all(&[request.as_bytes(), body].concat()).await?;
    let (head, body) = read_message(&mut BufReader::new(server)).await?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|status| status.parse().ok());
    let of_ours = ["content-length", "connection", "transfer-encoding"];
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !of_ours.contains(&name.to_ascii_lowercase().as_str()))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(Reply {
        status: status.ok_or(std::io::ErrorKind::InvalidData)?,
        headers: headers.collect(),
        body,
    })
}

/// A message with its head as text, without the empty line, and its body.
async fn read_message(stream: &mut BufReader<TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let (mut head, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = Vec::new();
    match length {
        Some(length) => {
            body.resize(length, 0);
            stream.read_exact(&mut body).await?;
        }
        None => drop(stream.read_to_end(&mut body).await?),
    }
    Ok((head.trim_end().to_owned(), body))
}

/// The operation: from the target (Secrets Manager) or the form (ElastiCache).
fn operation(head: &str, body: &[u8]) -> String {
    let target = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("x-amz-target:"));
    if let Some((_, operation)) = target.and_then(|target| target.rsplit_once('.')) {
        return operation.trim().to_owned();
    }
    let form = String::from_utf8_lossy(body);
    let action = form.split('&').find_map(|field| field.strip_prefix("Action="));
    action.unwrap_or("unknown").to_owned()
}
